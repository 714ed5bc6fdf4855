import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { EdgebootError } from '../../src/core/errors.ts'
import { addTrialCommand } from '../../src/cli/model/run.ts'
import { root } from '../support/markdown.ts'
import { needs, needsModule } from '../support/requirements.ts'
import { Scratch } from '../support/scratch.ts'
import { until } from '../support/wait.ts'
import { wheelBytes, wheelName } from '../support/wheel-bytes.ts'
import { plainZip } from '../support/zip-bytes.ts'
import { runCommand, type CommandRun } from '../unit/cli/run-command.ts'

const debian = '/usr/bin/python3'
const python = { skip: needs(debian, 'apt-get install python3') }
const venv = { skip: needsModule(debian, 'venv, ensurepip', 'apt-get install python3-venv') }
const scikitLearn = { skip: needsModule(debian, 'sklearn', 'apt-get install python3-sklearn') }
const examples = join(root, 'examples', 'models')
const mainFile = join(root, 'src', 'main.ts')

const pythonModel = `
import os
def handler(event, context):
    if "say" in event: print(event["say"])
    if "bad" in event: raise ValueError("no such pump")
    if "die" in event: os._exit(3)
    while "spin" in event: pass
    return {"y": event["x"] * context.params.get("k", 2)} if "x" in event else None
`
const doubling = 'export const handler = (event) => ({ y: event.x * 2 })\n'

async function withModels(context: TestContext): Promise<Scratch> {
  const scratch = await Scratch.make()
  context.after(() => scratch[Symbol.asyncDispose]())
  await scratch.write('pumps/index.py', pythonModel)
  await scratch.write('fans/index.mjs', doubling)
  return scratch
}

function run(scratch: Scratch, args: readonly string[], stdin = ''): Promise<CommandRun> {
  const env = { PATH: '/usr/bin:/bin' }
  return runCommand(addTrialCommand, ['run', ...args], { cwd: scratch.folder, env, stdin })
}

test('prints a result for each event, and null where there is nothing', python, async (context) => {
  const scratch = await withModels(context)
  const events = '{"x":1}\n{"say":"hello"}\n{"x":3}\n'
  const { stdout, stderr, status } = await run(scratch, ['pumps', '-i', '-'], events)
  assert.equal(stdout, '{"y": 2}\nnull\n{"y": 6}\n')
  assert.equal(stderr, 'model: hello\n')
  assert.equal(status, 0)
})

test('goes on after an error, a death and a hang, and fails', python, async (context) => {
  const scratch = await withModels(context)
  await scratch.write('e.json', '[{"bad":1},{"die":1},{"spin":1},{"x":4}]')
  const args = ['pumps', '-i', 'e.json', '--timeout', '1s', '--params', '{"k":10}']
  const { stdout, stderr, status } = await run(scratch, args)
  assert.equal(stdout, '{"y": 40}\n')
  assert.match(stderr, /^event 1: ValueError: no such pump at .*index\.py:5\n {2}Traceback/m)
  assert.match(stderr, /^event 2: .*exited with code 3.*\[RUNNER_EXITED\]$/m)
  assert.match(
    stderr,
    /^event 3: .*did not answer within 1000 ms.*index\.py:7 \[RUNNER_DEADLINE\]$/m,
  )
  assert.match(stderr, /^3 of 4 events failed$/m)
  assert.equal(status, 1)
})

test('runs the samples of a package, and says which differs and how', async (context) => {
  const scratch = await withModels(context)
  const samples = [
    { name: 'two', event: { x: 2 }, expect: { y: 4 } },
    { event: { x: 2 }, expect: { y: 5 } },
  ]
  await scratch.write('fans/tests/s.json', JSON.stringify(samples))
  const { stdout, status } = await run(scratch, ['fans', '--samples'])
  assert.match(stdout, /^PASS {2}tests\/s\.json\[0\] "two" {2}\S+ ms$/m)
  assert.match(stdout, /^FAIL {2}tests\/s\.json\[1\]: result\.y is 4, expected 5/m)
  assert.match(stdout, /^2 samples: 1 passed, 1 failed$/m)
  assert.equal(status, 1)
})

test('a zip runs from a temporary store; its results are those of the folder', async (context) => {
  const scratch = await withModels(context)
  await scratch.write('fans.zip', await plainZip({ 'index.mjs': doubling }))
  const { stdout, stderr, status } = await run(scratch, ['fans.zip', '-i', '-'], '{"x":21}')
  assert.deepEqual([stdout, stderr, status], ['{"y":42}\n', '', 0])
  assert.ok((await scratch.tree()).every((name) => !name.includes('.edgeboot')))
})

test('a zip with a wrong name in it is refused as a pipeline would', async (context) => {
  const scratch = await withModels(context)
  await scratch.write('broken.zip', (await plainZip({ 'index.mjs': doubling })).subarray(0, 90))
  await assert.rejects(run(scratch, ['broken.zip']), { code: 'MODEL_PACKAGE_INVALID' })
})

test('one file of a model is no package, and its folder is named', async (context) => {
  const scratch = await withModels(context)
  await assert.rejects(run(scratch, ['fans/index.mjs']), (thrown: EdgebootError) => {
    assert.equal(thrown.code, 'CLI_USAGE')
    assert.equal(thrown.fix, `Name its folder: ${scratch.path('fans')}`)
    return true
  })
})

test('without events it says what the model is, and how to give it some', async (context) => {
  const scratch = await withModels(context)
  await scratch.write('fans/tests/s.json', '{"event":{"x":2},"expect":{"y":4}}')
  const { stdout, status } = await run(scratch, ['fans'])
  assert.match(stdout, /^fans: javascript, loaded by Node [\d.]+ in [\d.]+ s$/m)
  assert.match(stdout, /^ {2}echo '\{"x":2\}' \| edgeboot model run fans --input -$/m)
  assert.equal(status, 0)
})

test('says what a model takes and gives, where the model knows', async (context) => {
  const scratch = await withModels(context)
  const onnx = await run(scratch, [join(examples, 'onnx')])
  assert.match(onnx.stdout, /^The model takes "temperature" float32\[\?, 1\], .* and gives ".*\.$/m)
  assert.equal(onnx.stderr, '')
})

test('says the same of an estimator', scikitLearn, async (context) => {
  const scratch = await withModels(context)
  const { stdout } = await run(scratch, [join(examples, 'sklearn'), '--python', debian])
  assert.match(
    stdout,
    /^The Pipeline takes 3 columns \(n_features_in_\) by number alone and has predict, predict_proba/m,
  )
})

test('installs what a package requires, once, where pipelines find it', venv, async (context) => {
  const scratch = await withModels(context)
  const wheel = { name: 'pumplib', version: '1.0', code: 'def factor(): return 5\n' }
  const code = 'import pumplib\ndef handler(event, context): return event["x"] * pumplib.factor()\n'
  await scratch.write('models/mill/index.py', code)
  await scratch.write('models/mill/requirements.txt', 'pumplib==1.0\n')
  await scratch.write(`models/mill/wheels/${wheelName(wheel)}`, wheelBytes(wheel))
  const args = ['mill', '-i', '-', '--python', debian]
  const first = await run(scratch, args, '{"x":2}')
  assert.equal(first.stdout, '10\n', first.stderr)
  assert.match(first.stderr, /^installing what its requirements\.txt asks for: pumplib==1\.0 /m)
  const again = await run(scratch, args, '{"x":3}')
  assert.deepEqual(again, { stdout: '15\n', stderr: '', status: 0 })
  assert.ok((await scratch.tree()).some((path) => path.startsWith('models/.edgeboot/environments')))
})

test('says why what a package requires cannot be installed', venv, async (context) => {
  const scratch = await withModels(context)
  await scratch.write('pumps/requirements.txt', 'nowhere-to-be-had==1.0\n')
  await scratch.write('pumps/wheels/README', 'none\n')
  await assert.rejects(run(scratch, ['pumps', '--python', debian]), {
    code: 'MODEL_ENVIRONMENT_FAILED',
  })
})

for (const [name, status] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
  test(`${name} ends the model and leaves no temporary folder`, async (context) => {
    const scratch = await withModels(context)
    const spinning = "export const handler = () => { console.log('begun'); for (;;) {} }\n"
    await scratch.write('spin.zip', await plainZip({ 'index.mjs': spinning }))
    await scratch.write('event.json', '{}')
    const temporary = scratch.path('temporary')
    await mkdir(temporary)
    const args = [mainFile, 'model', 'run', 'spin.zip', '-i', 'event.json', '--timeout', '1h']
    const child = spawn(process.execPath, args, {
      cwd: scratch.folder,
      env: { PATH: process.env['PATH'], TMPDIR: temporary },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    context.after(() => child.kill('SIGKILL'))
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => void (said += text))
    await until('the model to begin', () => said.includes('begun'))
    assert.notDeepEqual(await readdir(temporary), [])
    child.kill(name)
    const [code] = (await once(child, 'exit')) as [number | null]
    assert.equal(code, status, said)
    assert.deepEqual(await readdir(temporary), [])
  })
}

test('says how fast it is, and prints each result once', async (context) => {
  const scratch = await withModels(context)
  const { stdout, stderr } = await run(scratch, ['fans', '-i', '-', '--repeat', '50'], '{"x":1}')
  assert.equal(stdout, '{"y":2}\n')
  assert.match(
    stderr,
    /^50 events in .* per second; each p50 \S+ ms, p99 \S+ ms, max .*; loaded in/,
  )
})

test('a mistake on the command line costs no loading', async (context) => {
  const scratch = await withModels(context)
  const mistakes = [
    ['-i', 'gone'],
    ['-i', '-'],
    ['--repeat', '3'],
    ['--samples', '-i', '-'],
  ]
  for (const args of mistakes) {
    await assert.rejects(run(scratch, ['fans', ...args]), { code: 'CLI_USAGE' }, args.join(' '))
  }
  await assert.rejects(run(scratch, ['gone']), { code: 'MODEL_NOT_FOUND' })
  await assert.rejects(run(scratch, ['fans', '--samples']), { code: 'MODEL_SAMPLES_INVALID' })
})

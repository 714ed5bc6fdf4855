import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { addPackCommand } from '../../../../src/cli/model/pack.ts'
import { Scratch } from '../../../support/scratch.ts'
import { runCommand, type CommandRun } from '../run-command.ts'

async function scratchModel(context: TestContext): Promise<Scratch> {
  const scratch = await Scratch.make()
  context.after(() => scratch[Symbol.asyncDispose]())
  await scratch.write('pumps/index.py', 'def handler(event, context):\n    return event\n')
  return scratch
}

const pack = (cwd: string, ...args: string[]): Promise<CommandRun> =>
  runCommand(addPackCommand, ['pack', ...args], { cwd })

test('says what it made, and what to write into a configuration', async (context) => {
  const scratch = await scratchModel(context)
  const { stdout, stderr } = await pack(scratch.folder, 'pumps')
  assert.match(stdout, /^pumps\.zip  \d+ B\n/)
  assert.match(stdout, /kind +python, index\.py/)
  assert.match(stdout, /md5 +\S{22}==/)
  assert.match(
    stdout,
    /modelName: pumps\n +modelAddress: .*pumps\.zip\n +modelSha256: [0-9a-f]{64}/,
  )
  assert.match(stderr, /warning: the package has no version/)
})

test('writes beside the folder when that is where one stands', async (context) => {
  const scratch = await scratchModel(context)
  await pack(scratch.path('pumps'), '.')
  assert.deepEqual(await scratch.tree(), ['pumps.zip', 'pumps/', 'pumps/index.py'])
})

test('refuses a folder that holds no model, before it writes anything', async (context) => {
  const scratch = await scratchModel(context)
  await scratch.write('other/notes.txt')
  await assert.rejects(pack(scratch.folder, 'other'), { code: 'MODEL_NO_ENTRY' })
  assert.ok(!(await scratch.tree()).includes('other.zip'))
})

test('refuses a place within the folder, and one that is not there', async (context) => {
  const scratch = await scratchModel(context)
  for (const output of ['pumps/out.zip', 'gone/out.zip', 'pumps']) {
    await assert.rejects(pack(scratch.folder, 'pumps', '-o', output), { code: 'CLI_USAGE' })
  }
  await assert.rejects(pack(scratch.folder, 'gone'), { code: 'CLI_USAGE' })
})

test('refuses samples and a manifest with a mistake, naming the place', async (context) => {
  const scratch = await scratchModel(context)
  await scratch.write('pumps/model.yaml', 'version: 1.0.0\n')
  await scratch.write('pumps/tests/s.json', '[{"event":{},"exepct":1}]')
  await assert.rejects(pack(scratch.folder, 'pumps'), {
    code: 'MODEL_SAMPLES_INVALID',
    message: /tests\/s\.json.*"exepct"/,
  })
  await scratch.write('pumps/model.yaml', 'version: 1.0.0\nnmae: x\n')
  await assert.rejects(pack(scratch.folder, 'pumps'), { code: 'MODEL_MANIFEST_INVALID' })
})

test('takes name and version from the manifest', async (context) => {
  const scratch = await scratchModel(context)
  await scratch.write('pumps/model.yaml', 'name: pump-wear\nversion: 1.2.0\n')
  await scratch.write('pumps/tests/s.json', '{"event":{},"expect":{}}')
  const { stdout, stderr } = await pack(scratch.folder, 'pumps')
  assert.match(stdout, /^pump-wear-1\.2\.0\.zip /)
  assert.match(stdout, /^ +samples +1$/m)
  assert.equal(stderr, '')
})

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { addConformanceCommand } from '../../src/cli/model/conformance.ts'
import { buildExecExample, needsCompiler } from '../support/exec-example.ts'
import { processesIn } from '../support/processes-in.ts'
import { needs } from '../support/requirements.ts'
import { Scratch } from '../support/scratch.ts'
import { runCommand, type CommandRun } from '../unit/cli/run-command.ts'

const programs = join(import.meta.dirname, '..', 'fixtures', 'runners', 'exec')
/** Not the one on the PATH: that may be a script which looks for another, and each check starts one. */
const python = '/usr/bin/python3'
const needsPython = needs(python, 'apt-get install python3')
const env = { PATH: process.env['PATH'] ?? '' }

interface Result {
  readonly name: string
  readonly status: string
  readonly seen: string
}

async function conformance(args: readonly string[], cwd = programs): Promise<CommandRun> {
  return await runCommand(addConformanceCommand, ['conformance', ...args], { cwd, env })
}

/** What the checks of one of the programs in the fixtures came to. */
async function checked(
  program: string,
  ...flags: readonly string[]
): Promise<{ results: readonly Result[]; failed: readonly string[]; status: number }> {
  const { stdout, status } = await conformance([
    '--json',
    ...flags,
    '--',
    python,
    '-B',
    `${program}.py`,
  ])
  const { checks: results } = JSON.parse(stdout) as { checks: readonly Result[] }
  const failed = results.filter((result) => result.status === 'fail').map(({ name }) => name)
  return { results, failed, status }
}

function seenBy(results: readonly Result[], name: string): string {
  return results.find((result) => result.name === name)?.seen ?? assert.fail(`no check ${name}`)
}

describe('edgeboot model conformance', { skip: needsPython, concurrency: 2 }, () => {
  for (const [program, check, seen] of [
    ['echoes', 'text', /^every character of it came back$/],
    ['prints-a-lot', 'strange', /^values 4, nothing 1, errors 1$/],
    ['answers-change', 'batch', /differ each time/],
    ['answers-alike', 'batch', /a mix-up is not seen/],
  ] as const) {
    test(`passes a program that does nothing wrong: ${program}, ${check}`, async () => {
      const { results, failed, status } = await checked(program)
      assert.deepEqual(failed, [])
      assert.ok(results.every((result) => result.status === 'pass'))
      assert.match(seenBy(results, check), seen)
      assert.equal(status, 0)
    })
  }

  for (const [program, checks, seen, ...flags] of [
    ['never-ready', ['ready'], /^no ready came within 2 s$/, '--start-timeout', '2s'],
    ['cannot-load', ['ready'], /no licence/],
    [
      'writes-to-stdout',
      ['ready'],
      /it writes frames to descriptor 1 within 8 s$/,
      '--start-timeout',
      '8s',
    ],
    ['ready-twice', ['ready'], /^it says a second time that it is ready$/],
    ['wrong-count', ['answer'], /^2 results for a batch of 1$/],
    ['garbage-frame', ['answer'], /^a frame announces \d+ bytes|^a frame has the unknown type/],
    [
      'shifted-results',
      ['batch'],
      /^event 1 of 64 was answered \{"index":1,.*, and alone \{"index":0/,
    ],
    ['forgets-the-64th', ['batch'], /^63 of 64 answers came within 3 s$/, '--timeout', '3s'],
    ['dies-on-null', ['strange'], /^after "text": it exited with 1; it printed last: Attr/],
    ['error-without-message', ['strange'], /^after \[\]: a model error has no type or no message$/],
    ['empty-with-bytes', ['strange'], /^after null: an empty item of a result has bytes$/],
    ['small-buffer', ['large'], /buffer overflow/],
    ['reads-without-a-loop', ['large', 'pieces'], /^it exited with 1/],
    ['answers-latest-first', ['ahead'], /^results for batch 2, not under way$/],
    ['refuses-unknown-keys', ['unknown'], /KeyError: 'later'/],
    ['breaks-text', ['text'], /^"begin-of-text 设备 .* became \{"text": ?"begin-of-text è/],
    ['exits-on-drain', ['drain'], /^it exited with 0$/],
    ['ignores-drain', ['drain'], /^it did not exit within 5 s$/],
    ['exits-with-1', ['drain'], /^it exited with 1 after the drain$/],
    ['leaves-a-process', ['processes'], /there still is \d+ \(sleep 600\)$/],
    ['ignores-end-of-input', ['end'], /^it did not exit within 5 s$/],
    ['marks-big-endian', ['mark'], /names batch 16777216, event 33554432/],
  ] as const) {
    test(`fails a program for what it does wrong, and for nothing else: ${program}`, async () => {
      const { results, failed, status } = await checked(program, ...flags)
      assert.deepEqual(failed, checks)
      assert.match(seenBy(results, checks[0]), seen)
      assert.equal(status, 1)
    })
  }

  test('does not try what needs something that failed', async () => {
    const { results } = await checked('wrong-count')
    const skipped = results.filter(({ status }) => status === 'skip').map(({ name }) => name)
    assert.ok(skipped.includes('batch') && skipped.includes('processes'), skipped.join())
    assert.equal(seenBy(results, 'batch'), 'not tried before it answers an event')
    assert.equal(results.find(({ name }) => name === 'end')?.status, 'pass')
  })

  test('prints a line for each check, and where to read what is asked for', async () => {
    const { stdout } = await conformance(['--', python, '-B', 'exits-with-1.py'])
    const lines = stdout.split('\n')
    assert.match(
      lines[0] ?? '',
      /^PASS {2}starts and says that it is ready: \d+ ms, test 1 {2}\[Order\]$/,
    )
    assert.match(stdout, /^FAIL {2}answers what came before a drain, .* {2}\[Order\]$/m)
    assert.match(stdout, /^SKIP {2}leaves no process behind: not tried before it answers what/m)
    assert.match(stdout, /^13 checks: 11 passed, 1 failed, 1 not tried$/m)
    assert.match(stdout, /docs\/runner-protocol\.md/)
  })

  test('fails a command that is not on the PATH', async () => {
    const { stdout, status } = await conformance(['--', 'surely-not-installed'])
    assert.match(stdout, /^FAIL {2}starts .*ENOENT/)
    assert.equal(status, 1)
  })

  test('asks for a program that is there, and for one that can be started', async (context) => {
    const scratch = await Scratch.make()
    context.after(() => scratch[Symbol.asyncDispose]())
    await scratch.write('model', 'text')
    await assert.rejects(conformance(['--', './mod'], scratch.folder), {
      code: 'CLI_USAGE',
      message: 'there is no program ./mod',
    })
    await assert.rejects(conformance(['--', './model'], scratch.folder), {
      code: 'MODEL_FILE_INVALID',
      message: './model is not executable',
    })
  })
})

describe('edgeboot model conformance of the example in C', { skip: needsCompiler }, () => {
  test('passes all of it, tells answers apart, and leaves nothing', async (context: TestContext) => {
    const scratch = await Scratch.make()
    context.after(() => scratch[Symbol.asyncDispose]())
    const folder = join(scratch.folder, 'bearing')
    await buildExecExample(folder)
    const events = Array.from({ length: 64 }, (_, i) => ({
      vibration: [i + 1, ...Array(40).fill(0)],
    }))
    await scratch.write('bearing/events.json', JSON.stringify(events))
    const flags = ['--json', '--input', 'events.json', '--params', '{"limit":3}']
    const { stdout, status } = await conformance([...flags, '--', './model'], folder)
    const { checks } = JSON.parse(stdout) as { checks: readonly Result[] }
    assert.deepEqual(
      checks.filter((result) => result.status !== 'pass'),
      [],
    )
    assert.equal(seenBy(checks, 'batch'), 'as alone, 64 of them different')
    assert.equal(seenBy(checks, 'mark'), 'batch 1, event 2')
    assert.equal(status, 0)
    assert.deepEqual(processesIn(folder), [])
  })
})

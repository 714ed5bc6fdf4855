/** Every way in which a model can misbehave, and how its runner ends; see `test/fixtures/misbehaving`. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import type { RuntimeKind } from '../../../src/models/model-package.ts'
import { needsPython } from '../../support/python-interpreters.ts'
import {
  type BatchAnswer,
  type ModelUnderTest,
  published,
  RunningModel,
  withModelFolder,
} from '../../support/running-model.ts'
import { until } from '../../support/wait.ts'

const fixtures = join(import.meta.dirname, '..', '..', 'fixtures', 'misbehaving')
const late = new EdgebootError('RUNNER_DEADLINE', 'took too long')
const misbehave = { misbehave: true }

const inFolder = (
  runtime: RuntimeKind,
  name: string,
  more: Partial<ModelUnderTest> = {},
): RunningModel => {
  const isPython = runtime === 'python'
  const folder = join(fixtures, isPython ? 'python' : 'typescript', name)
  return new RunningModel({ runtime, folder, entry: isPython ? 'index.py' : 'index.ts', ...more })
}

/** Lets it answer an event, then misbehave, and says when it has begun to. */
async function begun(
  running: RunningModel,
): Promise<{ pid: number; answer: Promise<BatchAnswer> }> {
  const { pid = 0 } = await running.start()
  assert.deepEqual(JSON.parse(published((await running.infer([{ n: 1 }])).outcomes[0])), { n: 1 })
  const answer = running.infer([misbehave])
  await until('the model to misbehave', () => running.printed('stdout').includes('misbehaves'))
  return { pid, answer }
}

/** Interrupts it in the midst of that, as a deadline would, and waits until it is gone. */
async function interrupted(
  running: RunningModel,
  meanwhile: (pid: number) => void = () => {},
): Promise<EdgebootError> {
  const { pid, answer } = await begun(running)
  meanwhile(pid)
  running.runner.interrupt(late)
  const { lost } = await answer
  assert.equal(await running.exited, lost)
  assert.equal(lost?.code, 'RUNNER_DEADLINE')
  return lost
}

describe('a Python model that never answers', { skip: needsPython }, () => {
  for (const [name, line] of [
    ['loops-for-ever', 'pass'],
    ['loops-in-native-code', 're.match'],
    ['sleeps-past-its-deadline', 'time.sleep'],
    ['throws-in-a-thread', '.wait()'],
  ] as const) {
    test(`is ended, and is shown where it was: ${name}`, async () => {
      const { details } = await interrupted(inFolder('python', name))
      const [, file = '', number = ''] = /^(.*):(\d+)$/.exec(details.where ?? '') ?? []
      assert.equal(file, join(fixtures, 'python', name, 'index.py'))
      const before = Number(number) - 2 // a loop may be seen in its head
      const lines = (await readFile(file, 'utf8')).split('\n').slice(before, before + 3)
      assert.ok(lines.join('\n').includes(line), lines.join('\n'))
      assert.match(String(details['stack']), /most recent call first/)
    })
  }

  test('is ended although it ignores SIGTERM and every other signal', async () => {
    const { details } = await interrupted(inFolder('python', 'ignores-sigterm'))
    assert.equal(details.where, undefined)
  })

  test('is ended although it blocks every signal', async () => {
    const { message } = await interrupted(inFolder('python', 'blocks-signals'))
    assert.match(message, /no stack could be had/)
  })

  test('is ended although it was stopped by SIGSTOP', async () => {
    const running = inFolder('python', 'loops-for-ever')
    const { message } = await interrupted(running, (pid) => process.kill(pid, 'SIGSTOP'))
    assert.match(message, /no stack could be had/)
  })

  test('is ended although it closed all of its descriptors', async () => {
    const running = inFolder('python', 'closes-its-descriptors')
    const { pid, answer } = await begun(running)
    running.runner.interrupt(late)
    assert.ok((await answer).lost)
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  })
})

describe('a JavaScript model that never answers', () => {
  for (const [name, line] of [
    ['loops-for-ever', 'for (;;)'],
    ['loops-in-native-code', '.test('],
    ['waits-for-ever', 'Atomics.wait'],
  ] as const) {
    test(`is ended, and is shown where it was: ${name}`, async () => {
      const { details } = await interrupted(inFolder('javascript', name))
      const [, file = '', number = ''] = /^(.*):(\d+)$/.exec(details.where ?? '') ?? []
      assert.equal(file, join(fixtures, 'typescript', name, 'index.ts'))
      const text = (await readFile(file, 'utf8')).split('\n')[Number(number) - 1] ?? ''
      assert.ok(text.includes(line), text)
    })
  }

  test('is ended, and is said to wait, when it does', async () => {
    const running = inFolder('javascript', 'sleeps-past-its-deadline')
    const { message } = await interrupted(running)
    assert.match(message, /it waits for something asynchronous/)
  })
})

describe('a Python model that dies', { skip: needsPython }, () => {
  for (const [name, how] of [
    ['exits', { exitCode: 3 }],
    ['aborts', { signal: 'SIGABRT' }],
    ['crashes-in-native-code', { signal: 'SIGSEGV' }],
  ] as const) {
    test(`is lost with how it died: ${name}`, async () => {
      const running = inFolder('python', name)
      await running.start()
      const { lost } = await running.infer([misbehave])
      assert.equal(lost?.code, 'RUNNER_EXITED')
      assert.deepEqual({ ...lost.details, ...how }, lost.details)
    })
  }
})

describe('a model that meddles with its descriptors', { skip: needsPython }, () => {
  for (const name of ['closes-a-few-descriptors', 'closes-a-random-descriptor', 'writes-garbage']) {
    test(`answers or is lost, and is never mistaken: ${name}`, async () => {
      const running = inFolder('python', name)
      await running.start()
      const { lost, outcomes } = await running.infer([misbehave])
      if (lost === undefined) {
        assert.equal(outcomes[0]?.kind === 'error' || published(outcomes[0]) !== '', true)
      } else assert.match(lost.code, /^RUNNER_(EXITED|PROTOCOL)$/)
      await running.stop()
    })
  }
})

describe('a model with a limit of its memory', { skip: needsPython }, () => {
  const mebibyte = 1024 ** 2
  for (const [runtime, name] of [
    ['python', 'allocates-without-end'],
    ['javascript', 'allocates-heap'],
    ['javascript', 'allocates-buffers'],
  ] as const) {
    test(`is killed when it allocates without end: ${runtime}, ${name}`, async () => {
      const running = inFolder(runtime, name, { memoryBytesMax: 96 * mebibyte })
      await running.start()
      const { lost } = await running.infer([misbehave])
      assert.equal(lost?.code, 'RUNNER_MEMORY')
      assert.equal(lost.details['memoryBytesMax'], 96 * mebibyte)
      assert.ok(Number(lost.details['memoryBytes']) >= 2 * 96 * mebibyte)
      assert.equal(await running.exited, lost)
    })
  }

  for (const runtime of ['python', 'javascript'] as const) {
    test(`says that it outgrew it and answers on: ${runtime}`, async () => {
      const running = inFolder(runtime, 'leaks', { memoryBytesMax: 96 * mebibyte })
      await running.start()
      await until('it to outgrow its memory', async () => {
        const { lost } = await running.infer([misbehave])
        assert.equal(lost, undefined)
        await new Promise((resolve) => setTimeout(resolve, 25))
        return running.outgrown.length > 0
      })
      assert.ok((running.outgrown[0] ?? 0) > 96 * mebibyte)
      assert.equal((await running.infer([{ n: 1 }])).lost, undefined)
      await running.stop()
      assert.deepEqual(running.exits, [])
    })
  }

  test('does not start when it is above its limit by loading: Python', async () => {
    await withModelFolder({ 'index.py': 'table = b"x" * 200_000_000\n' + echo }, async (folder) => {
      const model = { runtime: 'python', entry: 'index.py', folder } as const
      const running = new RunningModel({ ...model, memoryBytesMax: 96 * mebibyte })
      await assert.rejects(running.start(), { code: 'RUNNER_MEMORY' })
      assert.deepEqual(running.exits, [])
    })
  })

  test('is measured with the processes that it started', async () => {
    const text = [
      'import subprocess, sys',
      'def handler(event, context):',
      '    large = "x = b\'x\' * 150_000_000; print(len(x), flush=True); input()"',
      '    child = subprocess.Popen([sys.executable, "-c", large],',
      '        stdin=subprocess.PIPE, stdout=subprocess.PIPE)',
      '    child.stdout.readline()',
      '    while True: pass',
    ]
    await withModelFolder({ 'index.py': text.join('\n') }, async (folder) => {
      const model = { runtime: 'python', entry: 'index.py', folder } as const
      const running = new RunningModel({ ...model, memoryBytesMax: 64 * mebibyte })
      await running.start()
      assert.equal((await running.infer([1])).lost?.code, 'RUNNER_MEMORY')
    })
  })
})

const echo = 'def handler(event, context):\n    return event\n'

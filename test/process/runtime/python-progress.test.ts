/** The word that a Python runner leaves of the event that it is on, whatever it dies of. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import { needsPython } from '../../support/python-interpreters.ts'
import { published, RunningModel, withModelFolder } from '../../support/running-model.ts'
import { until } from '../../support/wait.ts'

const late = new EdgebootError('RUNNER_DEADLINE', 'took too long')

async function withModel(
  lines: readonly string[],
  use: (running: RunningModel, pid: number) => Promise<void>,
  files: Readonly<Record<string, string>> = {},
): Promise<void> {
  await withModelFolder({ 'index.py': lines.join('\n'), ...files }, async (folder) => {
    const env = { PYTHONPATH: folder }
    const running = new RunningModel({ runtime: 'python', entry: 'index.py', folder, env })
    const { pid } = await running.start()
    assert.ok(pid !== undefined)
    try {
      await use(running, pid)
    } finally {
      await running.stop()
    }
  })
}

async function said(running: RunningModel, line: string): Promise<void> {
  await until(`the model to print ${line}`, () => running.printed('stdout').includes(line))
}

describe('Python runner: the event that it died on', { skip: needsPython }, () => {
  const handler = (...lines: string[]): string[] => [
    'import ctypes, mmap, os, signal, threading, time',
    'def handler(event, context):',
    ...lines.map((line) => `    ${line}`),
  ]

  test('is known when it is killed from outside', async () => {
    const model = handler('if event == 3:', '    print("here")', '    time.sleep(60)')
    await withModel(model, async (running, pid) => {
      const answer = running.infer([1, 2, 3, 4])
      await said(running, 'here')
      process.kill(pid, 'SIGKILL')
      assert.equal((await answer).lostOn, 2)
    })
  })

  test('is known when native code crashes', async () => {
    await withModel(handler('event == 3 and ctypes.string_at(0)'), async (running) => {
      assert.equal((await running.infer([1, 2, 3, 4])).lostOn, 2)
    })
  })

  test('is the one that it was told to end in, although it raised then and went on', async () => {
    const model = [
      'import signal, time',
      'def leave(*_):',
      '    raise KeyError("enough")',
      'signal.signal(signal.SIGTERM, leave)',
      'def handler(event, context):',
      '    print("at", event)',
      '    time.sleep(60 if event > 1 else 0)',
    ]
    await withModel(model, async (running) => {
      const answer = running.infer([1, 2, 3])
      await said(running, 'at 2')
      running.runner.interrupt(late)
      assert.equal((await answer).lostOn, 1)
      assert.ok(running.printed('stdout').includes('at 3'), 'it went on')
    })
  })

  test('is not the one that a process came to that it had forked', async () => {
    const model = handler(
      'if event == 1 and os.fork() == 0:',
      '    return 1',
      'if event == 1:',
      '    os.wait()',
      '    os._exit(9)',
      'return event',
    )
    await withModel(model, async (running) => {
      const { lost, lostOn } = await running.infer([0, 1, 2, 3])
      assert.equal(lost?.details['exitCode'], 9)
      assert.equal(lostOn, 1)
    })
  })

  test('is known of a model that has closed every descriptor that it found', async () => {
    const model = handler('event == 3 and (os.closerange(5, 300), os._exit(9))')
    await withModel(model, async (running) => {
      assert.equal((await running.infer([1, 2, 3, 4])).lostOn, 2)
    })
  })

  test('is not known where there is no mmap, and nothing else is amiss', async () => {
    const model = ['import os', 'def handler(event, context):', '    return event or os._exit(9)']
    const files = { 'mmap.py': 'raise ImportError("not built")\n' }
    const use = async (running: RunningModel): Promise<void> => {
      assert.equal(published((await running.infer([1])).outcomes[0]), '1')
      const { lost, lostOn } = await running.infer([1, 0])
      assert.equal(lost?.details['exitCode'], 9)
      assert.equal(lostOn, undefined)
    }
    await withModel(model, use, files)
  })

  test('is not known of a batch that the model got as a whole', async () => {
    const model = ['import os', 'def handle_batch(events, contexts):', '    os._exit(9)']
    await withModel(model, async (running) => {
      const { lost, lostOn } = await running.infer([1, 2, 3])
      assert.equal(lost?.details['exitCode'], 9)
      assert.equal(lostOn, undefined)
    })
  })

  test('is known when a batch that failed as a whole is tried one by one', async () => {
    const model = [
      'import os',
      'def handle_batch(events, contexts):',
      '    if len(events) > 1: raise KeyError("one of them")',
      '    if events[0] == 3: os._exit(9)',
      '    return events',
    ]
    await withModel(model, async (running) => {
      assert.equal((await running.infer([1, 2, 3, 4])).lostOn, 2)
    })
  })

  test('takes no descriptor that the model can see', async () => {
    await withModel(handler('return os.path.exists("/proc/self/fd/6")'), async (running) => {
      assert.equal(published((await running.infer([1])).outcomes[0]), 'false')
    })
  })
})

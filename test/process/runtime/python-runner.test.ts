import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import { needsPython } from '../../support/python-interpreters.ts'
import {
  type ModelUnderTest,
  published,
  RunningModel,
  withModelFolder,
} from '../../support/running-model.ts'
import { until } from '../../support/wait.ts'

const fixtures = join(import.meta.dirname, '..', '..', 'fixtures', 'runners')
const told = join(fixtures, 'python', 'behaves-as-told')
const killed = new EdgebootError('RUNNER_DEADLINE', 'took too long')

/** Runs `use` with a started model whose `index.py` is `text`. */
function withModel(
  text: string,
  use: (running: RunningModel, folder: string) => Promise<void>,
  options: Partial<ModelUnderTest> = {},
): Promise<void> {
  return withModelFolder({ 'index.py': text }, async (folder) => {
    const running = new RunningModel({ runtime: 'python', entry: 'index.py', folder, ...options })
    await running.start()
    try {
      await use(running, folder)
    } finally {
      await running.stop()
    }
  })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('Python runner: how it ends', { skip: needsPython }, () => {
  test('names the last lines that the model printed when it exits', async () => {
    const text = [
      'import os, sys',
      'def handler(event, context):',
      '    print("pump table is empty", file=sys.stderr)',
      '    os._exit(3)',
    ].join('\n')
    await withModel(text, async (running) => {
      const { lost } = await running.infer([1])
      assert.match(lost?.message ?? '', /exited with code 3; it printed last: pump table is empty/)
      assert.deepEqual(lost?.details['lastLines'], ['pump table is empty'])
    })
  })

  test('shows where a model was when it crashed in native code', async () => {
    const text = 'import ctypes\ndef handler(event, context):\n    ctypes.string_at(0)\n'
    await withModel(text, async (running) => {
      const { lost } = await running.infer([1])
      assert.equal(lost?.details['signal'], 'SIGSEGV')
      assert.match(String(lost.details['lastLines']), /index\.py", line 3 in handler/)
    })
  })

  test('says what was printed when it exits before it is ready', async () => {
    const text = 'import os, sys\nprint("no licence", file=sys.stderr)\nos._exit(4)\n'
    await withModelFolder({ 'index.py': text }, async (folder) => {
      const running = new RunningModel({ runtime: 'python', entry: 'index.py', folder })
      await assert.rejects(running.start(), (error: EdgebootError) => {
        assert.equal(error.code, 'RUNNER_EXITED')
        assert.deepEqual(error.details['lastLines'], ['no licence'])
        return true
      })
    })
  })

  test('takes the processes that the model started with it', async () => {
    const text = [
      'import subprocess',
      'def handler(event, context):',
      '    return subprocess.Popen(["sleep", "600"]).pid',
    ].join('\n')
    await withModel(text, async (running) => {
      const child = Number(published((await running.infer([1])).outcomes[0]))
      assert.ok(isAlive(child))
      running.runner.kill(killed)
      assert.equal(await running.exited, killed)
      await until('the child of the model to end', () => !isAlive(child))
    })
  })

  test('is gone for good although a process that it left keeps its pipes open', async () => {
    const text = [
      'import os, subprocess',
      'def handler(event, context):',
      '    if event == "exit":',
      '        os._exit(3)',
      '    return subprocess.Popen(["sleep", "600"], start_new_session=True).pid',
    ].join('\n')
    await withModel(text, async (running) => {
      const child = Number(published((await running.infer([1])).outcomes[0]))
      try {
        const { lost } = await running.infer(['exit'])
        assert.equal(lost?.details['exitCode'], 3)
      } finally {
        process.kill(child, 'SIGKILL')
      }
    })
  })

  test('ends when its parent is killed, in the middle of a loop', async () => {
    const parent = spawn(process.execPath, [join(fixtures, 'parent-of-spinning-model.ts'), told], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(parent.stdout, 'data')) as [Buffer]
    const worker = Number(line.toString())
    assert.ok(isAlive(worker))
    parent.kill('SIGKILL')
    await until('the worker to end after its parent', () => !isAlive(worker))
  })

  test('leaves Ctrl-C to its parent', async () => {
    const running = new RunningModel({ runtime: 'python', entry: 'index.py', folder: told })
    const { pid } = await running.start()
    assert.ok(pid !== undefined)
    process.kill(pid, 'SIGINT')
    const answer = await running.infer([{ do: 'echo', value: 1 }])
    await running.stop()
    assert.equal(published(answer.outcomes[0]), '1')
  })

  test('stops in time although a thread of the model never ends', async () => {
    const text = [
      'import atexit, threading, time',
      'threading.Thread(target=lambda: time.sleep(600)).start()',
      'atexit.register(lambda: print("closed the valve"))',
      'def handler(event, context):',
      '    return 1',
    ].join('\n')
    await withModel(text, async (running) => {
      await running.infer([1])
      await running.runner.stop(60_000)
      assert.deepEqual(running.printed('stdout'), ['closed the valve'])
    })
  })

  test('ends a model that ignores SIGTERM', async () => {
    const text = [
      'import signal',
      'signal.signal(signal.SIGTERM, signal.SIG_IGN)',
      'def handler(event, context):',
      '    while True: pass',
    ].join('\n')
    await withModel(text, async (running) => {
      const answer = running.infer([1])
      await running.runner.stop(50)
      assert.equal((await answer).lost?.code, 'RUNNER_EXITED')
    })
  })
})

describe('Python runner: a model that meddles with the frames', { skip: needsPython }, () => {
  for (const [title, code] of [
    ['writes garbage into them', 'os.write(4, b"\\xff" * 64)'],
    ['forges a frame of an unknown type', 'os.write(4, b"\\x00\\x00\\x00\\x01\\x07")'],
    ['answers for a batch that is not', `os.write(4, b"\\0\\0\\0\\x0d\\x83" + b"\\0" * 12)`],
    ['says once more that it is loaded, wrongly', 'os.write(4, b"\\0\\0\\0\\x03\\x81{}")'],
    ['closes them', 'os.close(4); time.sleep(600)'],
  ] as const) {
    test(`is ended with RUNNER_PROTOCOL when it ${title}`, async () => {
      const text = `import os, time\ndef handler(event, context):\n    ${code}\n    return 1\n`
      await withModel(text, async (running) => {
        const { lost } = await running.infer([1])
        assert.equal(lost?.code, 'RUNNER_PROTOCOL')
        assert.equal((await running.exited).code, 'RUNNER_PROTOCOL')
      })
    })
  }

  test('does not pass the descriptors of the frames on to programs that it starts', async () => {
    const text = [
      'import os, subprocess',
      'def handler(event, context):',
      '    command = ["sh", "-c", "ls -l /proc/self/fd"]',
      '    shown = subprocess.check_output(command, close_fds=False).decode()',
      '    frames = [os.readlink("/proc/self/fd/" + fd) for fd in ("3", "4")]',
      '    return ["socket" in frames[0], [frame in shown for frame in frames]]',
    ].join('\n')
    await withModel(text, async (running) => {
      const answer = await running.infer([1])
      assert.deepEqual(JSON.parse(published(answer.outcomes[0])), [true, [false, false]])
    })
  })

  test('does not leave them open in processes that it forks', async () => {
    const text = [
      'import multiprocessing, os',
      'def handler(event, context):',
      '    ways = multiprocessing.get_context("fork")',
      '    queue = ways.SimpleQueue()',
      '    mine = [os.readlink("/proc/self/fd/%d" % fd) for fd in (3, 4)]',
      '    def look():',
      '        links = [os.readlink("/proc/self/fd/" + fd) for fd in os.listdir("/proc/self/fd")',
      '                 if os.path.exists("/proc/self/fd/" + fd)]',
      '        queue.put([link in links for link in mine])',
      '    ways.Process(target=look).start()',
      '    return queue.get()',
    ].join('\n')
    await withModel(text, async (running) => {
      const answer = await running.infer([1])
      assert.equal(published(answer.outcomes[0]), '[false, false]')
    })
  })
})

describe('Python runner: what it prints', { skip: needsPython }, () => {
  test('logs what was printed without a newline, by C code too, when the model ends', async () => {
    const text = [
      'import ctypes',
      'def handler(event, context):',
      '    print("half a line", end="")',
      '    ctypes.CDLL(None).puts(b"from C")',
      '    return 1',
    ].join('\n')
    await withModel(text, async (running) => {
      await running.infer([1])
      await running.stop()
      assert.deepEqual(
        running.printed('stdout').join('|').split('|').sort().join('|'),
        'from C|half a line',
      )
    })
  })

  test('keeps one cut line of a flood without newlines', async () => {
    const text = [
      'def handler(event, context):',
      '    for _ in range(1000):',
      '        print("x" * 10000, end="")',
      '    return 1',
    ].join('\n')
    await withModel(text, async (running) => {
      await running.infer([1])
      await running.stop()
      const printed = running.printed('stdout')
      assert.equal(printed.length, 1)
      assert.equal(String(printed[0]).length, 4096)
    })
  })

  test('answers although threads of the model log all the time', async () => {
    const text = [
      'import threading',
      'def handler(event, context):',
      '    log = context.log',
      '    work = lambda: [log.info("line", number=i) for i in range(200)]',
      '    threads = [threading.Thread(target=work) for _ in range(4)]',
      '    for thread in threads: thread.start()',
      '    if event == 3:',
      '        for thread in threads: thread.join()',
      '    return event',
    ].join('\n')
    await withModel(text, async (running) => {
      const answer = await running.infer([1, 2, 3])
      assert.deepEqual(answer.outcomes.map(published), ['1', '2', '3'])
    })
  })
})

describe('Python runner: which interpreter', { skip: needsPython }, () => {
  const model = { runtime: 'python', entry: 'index.py' } as const

  test('names everything that it tried when there is none', async () => {
    const running = new RunningModel({ ...model, folder: told, env: { PATH: '/nowhere:/nothing' } })
    await assert.rejects(running.start(), (error: EdgebootError) => {
      assert.equal(error.code, 'RUNNER_INTERPRETER_MISSING')
      assert.match(error.message, /\.venv\/bin\/python, \/nowhere\/python3, \/nothing\/python3/)
      return true
    })
  })

  test('tries no other than the one that is named', async () => {
    const running = new RunningModel({
      ...model,
      folder: told,
      python: '/opt/python3.9/bin/python3',
    })
    await assert.rejects(running.start(), /tried \/opt\/python3\.9\/bin\/python3$/)
  })

  test('looks a name up on the PATH', async () => {
    const running = new RunningModel({ ...model, folder: told, python: 'python3' })
    await running.start()
    await running.stop()
  })

  test("prefers the package's own virtual environment", async () => {
    const marked = '#!/bin/sh\necho from the package >&2\nexec python3 "$@"\n'
    const files = { 'index.py': 'def handler(e, c): return 1', '.venv/bin/python': marked }
    await withModelFolder(files, async (folder) => {
      await chmod(join(folder, '.venv', 'bin', 'python'), 0o755)
      const running = new RunningModel({ ...model, folder })
      await running.start()
      await running.stop()
      assert.deepEqual(running.printed('stderr'), ['from the package'])
    })
  })

  test('says so when what a virtual environment was made from is gone', async () => {
    const script = '#!/nowhere/python3\n'
    await withModelFolder({ 'index.py': '', '.venv/bin/python': script }, async (folder) => {
      await chmod(join(folder, '.venv', 'bin', 'python'), 0o755)
      const running = new RunningModel({ ...model, folder })
      await assert.rejects(running.start(), { code: 'RUNNER_INTERPRETER_MISSING' })
    })
  })

  test('says so when the folder of the model is gone', async () => {
    const running = new RunningModel({ ...model, folder: '/nowhere/model' })
    await assert.rejects(running.start(), { code: 'MODEL_NOT_FOUND' })
  })
})

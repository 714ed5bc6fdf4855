import type { Session } from 'node:inspector'
import type { Worker } from 'node:worker_threads'
import type { Clock } from '../core/clock.ts'
import { placeInModel } from './model-failure.ts'
import { noStack, stackDumpMs, type StackDump } from './stack-dump.ts'

/** A thread that took the wish to pause and runs nothing to be paused in waits for an event. */
const pausesWithinMs = 50
const enableId = 1
const pauseId = 2

/**
 * The stack of a thread that runs, also in a loop without end, a regular expression or
 * `Atomics.wait`: pauses it through the inspector, in this process and without opening a port, and
 * lets it go on. Other threads are not paused. Takes about 40 ms, {@link stackDumpMs} at most.
 * Never rejects.
 *
 * The inspector is loaded when it is first asked for, and leaves the thread slower than before: ask
 * a thread that is to end.
 *
 * @param folder - The model's folder, links resolved.
 */
export async function threadStack(
  worker: Worker,
  folder: string,
  clock: Clock,
): Promise<StackDump> {
  try {
    const { Session } = await import('node:inspector')
    return await new ThreadPause(worker, clock, new Session()).stack(folder)
  } catch {
    return noStack // this Node was built without an inspector
  }
}

interface CallFrame {
  readonly functionName: string
  readonly location: { scriptId: string; lineNumber: number; columnNumber?: number }
}

class ThreadPause {
  /** How the inspector names a thread: its title begins with this. */
  readonly #title: string
  readonly #clock: Clock
  readonly #session: Session
  readonly #urls = new Map<string, string>()
  readonly #frames = Promise.withResolvers<readonly CallFrame[] | 'idle' | undefined>()
  #thread: string | undefined

  constructor(worker: Worker, clock: Clock, session: Session) {
    this.#title = `[worker ${worker.threadId}]`
    this.#clock = clock
    this.#session = session
  }

  async stack(folder: string): Promise<StackDump> {
    const timer = this.#clock.after(stackDumpMs, () => this.#frames.resolve(undefined))
    const session = this.#session
    session.connect()
    try {
      session.on('NodeWorker.attachedToWorker', ({ params }) => {
        if (params.workerInfo.title.startsWith(this.#title)) this.#attached(params.sessionId)
      })
      session.on('NodeWorker.receivedMessageFromWorker', ({ params }) => {
        if (params.sessionId === this.#thread) this.#received(JSON.parse(params.message))
      })
      session.post('NodeWorker.enable', { waitForDebuggerOnStart: false })
      const frames = await this.#frames.promise
      await this.#letGo()
      if (frames === undefined) return noStack
      return frames === 'idle'
        ? { remark: 'it waits for something asynchronous' }
        : this.#describe(frames, folder)
    } finally {
      timer.cancel()
      session.disconnect()
    }
  }

  #attached(thread: string): void {
    this.#thread = thread
    this.#post(enableId, 'Debugger.enable')
    this.#post(pauseId, 'Debugger.pause')
  }

  #received(message: DebuggerMessage): void {
    if (message.method === 'Debugger.scriptParsed') {
      this.#urls.set(message.params.scriptId, message.params.url)
    } else if (message.method === 'Debugger.paused') {
      this.#frames.resolve(message.params.callFrames)
    } else if (message.id === pauseId) {
      this.#clock.after(pausesWithinMs, () => this.#frames.resolve('idle'))
    }
  }

  /** A thread that is still paused when it is terminated would never end. */
  #letGo(): Promise<void> {
    const sessionId = this.#thread
    if (sessionId === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      this.#session.post('NodeWorker.detach', { sessionId }, () => resolve())
    })
  }

  #describe(frames: readonly CallFrame[], folder: string): StackDump {
    const lines = frames.map(({ functionName, location }) => {
      const url = this.#urls.get(location.scriptId) || '<anonymous>'
      const { lineNumber, columnNumber = 0 } = location
      return `    at ${functionName || '<anonymous>'} (${url}:${lineNumber + 1}:${columnNumber + 1})`
    })
    const text = lines.join('\n')
    const where = placeInModel(text, folder)
    return where === undefined ? { text, remark: 'it was in no file of its own' } : { text, where }
  }

  #post(id: number, method: string): void {
    const message = JSON.stringify({ id, method })
    const sessionId = this.#thread ?? ''
    this.#session.post('NodeWorker.sendMessageToWorker', { sessionId, message })
  }
}

/** The messages of a thread's inspector that mean something here. */
type DebuggerMessage =
  | { method: 'Debugger.scriptParsed'; params: { scriptId: string; url: string }; id?: never }
  | { method: 'Debugger.paused'; params: { callFrames: readonly CallFrame[] }; id?: never }
  | { method?: never; id: number }

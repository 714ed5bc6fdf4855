import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Readable, Writable } from 'node:stream'
import { systemClock } from '../../../core/clock.ts'
import { EdgebootError } from '../../../core/errors.ts'
import { decodeResult, encodeInfer, resultBytesMax } from '../../../runtime/batch-codec.ts'
import { BatchLedger } from '../../../runtime/batch-ledger.ts'
import { leaveMs } from '../../../runtime/carried-runner.ts'
import {
  decodeJsonBody,
  encodeJsonFrame,
  fromRunner,
  toRunner,
  writeFrameHeader,
} from '../../../runtime/frame.ts'
import { FrameReader } from '../../../runtime/frame-reader.ts'
import { PrintedLines } from '../../../runtime/printed-lines.ts'
import { ProgressFile } from '../../../runtime/progress-file.ts'
import type { Progress } from '../../../runtime/progress-mark.ts'
import type { InferItem, InferOutcome, RunnerSpec } from '../../../runtime/runner.ts'
import { spawnRunner, streamsOf } from '../../../runtime/spawn-runner.ts'
import {
  parseFailed,
  parseLog,
  parseReady,
  startMessage,
} from '../../../runtime/worker-messages.ts'
import { Breach } from './breach.ts'
import { groupMembers } from './group-members.ts'

/** After an exit, how long what it left in its pipes is waited for, as a runner waits. */
const leftoversMs = 500
/** What is left of a process group may be about to end by itself. */
const groupEmptyMs = 1_000
const pollMs = 20

/** A program under test. */
export interface SubjectOptions {
  readonly command: string
  readonly args: readonly string[]
  /** What it is told of the model, and its folder and environment. */
  readonly spec: RunnerSpec
  /** Loading the model. */
  readonly startMs: number
  /** Answering a batch. */
  readonly answerMs: number
}

/** A batch that is under way, or still to be sent. */
export interface OpenBatch {
  readonly frame: Buffer
  /** All of its outcomes, in order; rejects when they do not come, or not as they should. */
  answered(): Promise<readonly InferOutcome[]>
}

/**
 * The program, running as a runner would run it, with its frames laid open: a check decides which
 * bytes it gets, and when. Every wait has its limit, and ends with a {@link Breach} when the program
 * breaks the protocol or exits.
 */
export class Subject {
  readonly #options: SubjectOptions
  readonly #child: ChildProcess
  readonly #mark = ProgressFile.open()
  readonly #frames = new FrameReader()
  readonly #ledger = new BatchLedger()
  readonly #printed = new PrintedLines(() => {}, systemClock)
  /** Rejects with the first thing that it did wrong, or when it is gone. */
  readonly #breach = Promise.withResolvers<never>()
  readonly #ready = Promise.withResolvers<string>()
  readonly #gone = Promise.withResolvers<string>()
  #isReady = false
  #engine = ''
  #leftovers: NodeJS.Timeout | undefined
  #firstPrinted: Buffer | undefined
  #exited: { readonly code: number | null; readonly signal: string | null } | undefined

  constructor(options: SubjectOptions) {
    this.#options = options
    const { command, args, spec } = options
    this.#child = spawnRunner(command, args, spec.model.folder, spec.env, this.#mark)
    // Each is awaited by who cares; nobody may.
    this.#breach.promise.catch(() => {})
    this.#ready.promise.catch(() => {})
    this.#child.once('error', (error) => this.#breach.reject(new Breach(error.message)))
    this.#child.once('exit', (code, signal) => {
      this.#exited = { code, signal }
      this.#leftovers = setTimeout(() => this.#end(), leftoversMs)
    })
    this.#child.once('close', () => this.#end())
    const [, stdout, stderr, input, output, stacks] = streamsOf(this.#child)
    for (const stream of [stdout, stderr, input, output, stacks]) stream?.on('error', () => {})
    stdout?.on('data', (chunk: Buffer) => {
      this.#firstPrinted ??= chunk
      this.#printed.print('stdout', chunk)
    })
    stderr?.on('data', (chunk: Buffer) => this.#printed.print('stderr', chunk))
    ;(output as Readable | undefined)?.on('data', (chunk: Buffer) => this.#onBytes(chunk))
  }

  /** Process id; that of its group too. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Tells it to load its model, and waits until it has. */
  async start(more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const message = startMessage(this.#options.spec, resultBytesMax)
    this.write(encodeJsonFrame(toRunner.start, { ...message, ...more }))
    this.#engine = await this.#within(this.#ready.promise, this.#options.startMs, () =>
      this.#wroteToPrinted() ? 'no ready came: it writes frames to descriptor 1' : 'no ready came',
    )
  }

  /** What it said of itself when it was ready. */
  get engine(): string {
    return this.#engine
  }

  /** Enters a batch; who asked for it sends the frame. */
  batch(items: readonly InferItem[]): OpenBatch {
    const outcomes: InferOutcome[] = []
    const done = Promise.withResolvers<void>()
    const id = this.#ledger.add(items.length, {
      outcomes: (_, piece) => {
        outcomes.push(...piece)
        if (outcomes.length === items.length) done.resolve()
      },
      lost: () => {},
    })
    const frame = encodeInfer(id, items, { roomForHeader: true })
    writeFrameHeader(frame, toRunner.infer)
    const answered = async (): Promise<readonly InferOutcome[]> => {
      const missing = (): string => `${outcomes.length} of ${items.length} answers came`
      await this.#within(done.promise, this.#options.answerMs, missing)
      return outcomes
    }
    return { frame, answered }
  }

  /** Sends a batch in one piece, and waits for its outcomes. */
  ask(items: readonly InferItem[]): Promise<readonly InferOutcome[]> {
    const batch = this.batch(items)
    this.write(batch.frame)
    return batch.answered()
  }

  write(bytes: Uint8Array): void {
    this.#input?.write(bytes)
  }

  /** Waits for what it may send without being asked. @throws Breach */
  async staysQuiet(forMs: number): Promise<void> {
    await Promise.race([this.#breach.promise, sleep(forMs)])
  }

  /** Ends its input, as the death of edgeboot does. */
  endInput(): void {
    this.#input?.end()
  }

  /** How it ended, in words, and whether with 0; waits for that as long as a runner does. */
  async exit(): Promise<{ readonly how: string; readonly isClean: boolean }> {
    const how = await this.#within(this.#gone.promise, leaveMs, () => 'it did not exit')
    return { how, isClean: this.#exited?.code === 0 }
  }

  /** What it says on descriptor 6 that it is on. */
  progress(): Progress | undefined {
    return this.#mark?.read()
  }

  /** Whether it was given a descriptor 6. */
  get hasMark(): boolean {
    return this.#mark !== undefined
  }

  /** Processes of its group that outlive it; `undefined` where that cannot be seen. */
  async leftBehind(): Promise<readonly string[] | undefined> {
    const until = performance.now() + groupEmptyMs
    for (;;) {
      const members = this.pid === undefined ? [] : groupMembers(this.pid)
      if (members === undefined || members.length === 0) return members
      if (performance.now() > until) return members
      await sleep(pollMs)
    }
  }

  /** Kills it with all that it started, and waits until it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill()
    if (this.pid !== undefined) await this.#gone.promise
    else this.#mark?.close()
  }

  kill(): void {
    const pid = this.#child.pid
    // A group that is empty may have left its number to others.
    if (pid === undefined || (this.#exited && groupMembers(pid)?.length === 0)) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // The group is empty already.
    }
  }

  get #input(): Writable | undefined {
    return streamsOf(this.#child)[3] as Writable | undefined
  }

  #onBytes(chunk: Buffer): void {
    try {
      this.#frames.push(chunk, (type, body) => this.#onFrame(type, body))
    } catch (thrown) {
      if (!(thrown instanceof EdgebootError || thrown instanceof Breach)) throw thrown
      const what = thrown.message.replace(/^the runner broke the frame protocol: /, '')
      this.#breach.reject(new Breach(what))
    }
  }

  #onFrame(type: number, body: Uint8Array): void {
    if (type === fromRunner.result) this.#ledger.accept(decodeResult(body))
    else if (type === fromRunner.log) parseLog(decodeJsonBody(body))
    else if (type === fromRunner.failed) throw parseFailed(decodeJsonBody(body), this.#options.spec)
    else if (this.#isReady) throw new Breach('it says a second time that it is ready')
    else {
      this.#isReady = true
      this.#ready.resolve(parseReady(decodeJsonBody(body)).engine)
    }
  }

  /** The first bytes that it printed begin as a frame does. */
  #wroteToPrinted(): boolean {
    const [highest, , , , type] = this.#firstPrinted ?? []
    return highest === 0 && Object.values<number | undefined>(fromRunner).includes(type)
  }

  #end(): void {
    if (this.#exited === undefined) return
    clearTimeout(this.#leftovers)
    for (const stream of this.#child.stdio ?? []) stream?.destroy()
    this.#printed.end()
    this.#mark?.close()
    const { code, signal } = this.#exited
    const how = signal === null ? `it exited with ${code}` : `it was ended by ${signal}`
    const last = this.#printed.lastLines.at(-1)
    this.#gone.resolve(how)
    this.#breach.reject(new Breach(last === undefined ? how : `${how}; it printed last: ${last}`))
  }

  /** Races what is to come against what may come instead of it. */
  async #within<T>(promise: Promise<T>, limitMs: number, missing: () => string): Promise<T> {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => late.reject(new Breach(`${missing()} within ${limitMs / 1000} s`)),
      limitMs,
    )
    try {
      return await Promise.race([promise, this.#breach.promise, late.promise])
    } finally {
      clearTimeout(timer)
    }
  }
}

import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import type { Clock, Timer } from '../core/clock.ts'
import { asEdgebootError, EdgebootError } from '../core/errors.ts'
import { decodeResult, encodeInfer, resultBytesMax } from './batch-codec.ts'
import { CarriedRunner, type RunnerOptions } from './carried-runner.ts'
import type { Carrier, CarrierListener } from './carrier.ts'
import {
  decodeJsonBody,
  encodeFrame,
  encodeJsonFrame,
  fromRunner,
  protocolError,
  toRunner,
  writeFrameHeader,
} from './frame.ts'
import { FrameReader } from './frame-reader.ts'
import { PrintedLines } from './printed-lines.ts'
import { processMemoryBytes } from './process-memory.ts'
import { ProgressFile } from './progress-file.ts'
import type { Progress } from './progress-mark.ts'
import type { InferItem, Runner, RunnerListener, RunnerSpec } from './runner.ts'
import { spawnRunner, streamsOf } from './spawn-runner.ts'
import { noStack, stackCharsMax, stackDumpMs, type StackDump } from './stack-dump.ts'
import { parseFailed, parseLog, parseReady, startMessage } from './worker-messages.ts'

/** After an exit, how long what it left in its pipes is waited for. */
const leftoversMs = 500
/** How long a runner may live on after it closed the descriptor for its answers. */
const muteMs = 1_000
/** A dump has no end mark: it is whole when nothing more has come for this long. */
const stacksQuietMs = 30

/** The command that becomes a runner. */
export interface ProcessCommand {
  /** Absolute path of the program. */
  readonly command: string
  readonly args: readonly string[]
  /** For one that writes its stacks to descriptor 5 on SIGUSR1: what they say. */
  readonly parseStacks?: (dump: string) => StackDump
}

/**
 * A runner that is a child process and speaks the frame protocol on its descriptors 3 and 4. It
 * leads a process group of its own, has the environment of the spec and nothing else, and runs in
 * the model's folder.
 *
 * @param resolveCommand - Called at the start; what it throws is why the start failed.
 */
export function createProcessRunner(
  spec: RunnerSpec,
  listener: RunnerListener,
  options: RunnerOptions,
  resolveCommand: () => ProcessCommand,
): Runner {
  const carrier = new ProcessCarrier(spec, listener, options.clock, resolveCommand)
  return new CarriedRunner(carrier, spec, listener, options)
}

class ProcessCarrier implements Carrier {
  readonly #spec: RunnerSpec
  readonly #clock: Clock
  readonly #resolveCommand: () => ProcessCommand
  readonly #printed: PrintedLines
  readonly #frames = new FrameReader()
  #listener: CarrierListener | undefined
  #command: ProcessCommand | undefined
  #child: ChildProcess | undefined
  #input: Writable | undefined
  #timer: Timer | undefined
  #exited = false
  #exit: { code: number | null; signal: NodeJS.Signals | null } = { code: null, signal: null }
  #over = false
  /** What it sent broke the protocol: nothing more is read. */
  #broken = false
  /** Inherited as descriptor 6. */
  #mark: ProgressFile | undefined

  constructor(
    spec: RunnerSpec,
    listener: RunnerListener,
    clock: Clock,
    resolveCommand: () => ProcessCommand,
  ) {
    this.#spec = spec
    this.#clock = clock
    this.#resolveCommand = resolveCommand
    this.#printed = new PrintedLines((...line) => listener.log(...line), clock)
  }

  open(listener: CarrierListener): void {
    this.#listener = listener
    const { model, env } = this.#spec
    if (!existsSync(model.folder)) {
      throw new EdgebootError('MODEL_NOT_FOUND', `model "${model.name}" has no folder any more`, {
        details: { where: model.folder, model: model.name },
      })
    }
    this.#command = this.#resolveCommand()
    const { command, args } = this.#command
    this.#mark = ProgressFile.open()
    const child = spawnRunner(command, args, model.folder, env, this.#mark)
    this.#child = child
    child.once('error', (cause) => this.#spawnFailed(command, cause))
    child.once('exit', (code, signal) => this.#onExit(code, signal))
    child.once('close', () => this.#finish())
    this.#readPrinted(child)
    // Writing to, or reading from, one that just died is no news: its exit says so.
    // Without a free descriptor there are no streams, and `error` says so.
    const [, , , input, output, stacks] = streamsOf(child)
    input?.on('error', () => {})
    output?.on('error', () => {})
    stacks?.on('error', () => {})
    this.#input = (input ?? undefined) as Writable | undefined
    output?.on('end', () => this.#onMute())
    if (output) (output as Readable).on('data', (chunk: Buffer) => this.#onBytes(chunk))
    this.#input?.write(encodeJsonFrame(toRunner.start, startMessage(this.#spec, resultBytesMax)))
  }

  infer(batchId: number, items: readonly InferItem[]): void {
    const frame = encodeInfer(batchId, items, { roomForHeader: true })
    writeFrameHeader(frame, toRunner.infer)
    this.#input?.write(frame)
  }

  drain(): void {
    this.#input?.write(encodeFrame(toRunner.drain, new Uint8Array(0)))
  }

  /** A descriptor of its own: what a model prints, or does to its streams, is not in the way. */
  stacks(): Promise<StackDump> {
    const { parseStacks } = this.#command ?? {}
    const stream = this.#child && (streamsOf(this.#child)[5] as Readable | undefined)
    if (parseStacks === undefined || !stream || this.#exited) return Promise.resolve(noStack)
    return new Promise((resolve) => {
      let text = ''
      const finish = (): void => {
        quiet?.cancel()
        late.cancel()
        resolve(parseStacks(text))
      }
      let quiet: Timer | undefined
      const late = this.#clock.after(stackDumpMs, finish, { keepAlive: true })
      stream.once('close', finish)
      stream.on('data', (chunk: Buffer) => {
        if (text.length < stackCharsMax) text += chunk.toString('latin1')
        quiet?.cancel()
        quiet = this.#clock.after(stacksQuietMs, finish)
      })
      this.#child?.kill('SIGUSR1')
    })
  }

  memoryBytes(): Promise<number | undefined> {
    const pid = this.#child?.pid
    if (pid === undefined || this.#exited) return Promise.resolve(undefined)
    return Promise.resolve(processMemoryBytes(pid, this.#spec.memoryBytesMax ?? Infinity))
  }

  progress(): Progress | undefined {
    return this.#mark?.read()
  }

  terminate(): void {
    this.#signal('SIGTERM')
  }

  kill(): void {
    this.#signal('SIGKILL')
  }

  /** To the whole group: what a model started goes with it. */
  #signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    const pid = this.#child?.pid
    if (pid === undefined || this.#over) return
    try {
      process.kill(-pid, signal)
    } catch {
      // The group is empty already.
    }
  }

  #readPrinted(child: ChildProcess): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.on('error', () => {})
      child[stream]?.on('data', (chunk: Buffer) => this.#printed.print(stream, chunk))
    }
  }

  #onBytes(chunk: Buffer): void {
    if (this.#broken) return
    try {
      this.#frames.push(chunk, (type, body) => this.#onFrame(type, body))
    } catch (thrown) {
      this.#broken = true
      this.#listener?.failed(asEdgebootError(thrown))
    }
  }

  #onFrame(type: number, body: Uint8Array): void {
    if (type === fromRunner.result) this.#listener?.result(decodeResult(body))
    else if (type === fromRunner.log) this.#printed.log(parseLog(decodeJsonBody(body)))
    else if (type === fromRunner.failed) {
      this.#listener?.failed(parseFailed(decodeJsonBody(body), this.#spec))
    } else {
      const pid = this.#child?.pid
      const ready = parseReady(decodeJsonBody(body))
      this.#listener?.ready(pid === undefined ? ready : { ...ready, pid })
    }
  }

  /** It can answer no more. Usually it is about to exit; one that is not must not hang around. */
  #onMute(): void {
    if (this.#exited) return
    this.#timer = this.#clock.after(muteMs, () => {
      this.#listener?.failed(protocolError('it closed the descriptor for its answers'))
    })
  }

  #spawnFailed(command: string, cause: Error): void {
    if (this.#child?.pid !== undefined) return // about a signal, not about the start
    const code = (cause as NodeJS.ErrnoException).code ?? ''
    const missing = ['ENOENT', 'EACCES', 'ENOEXEC', 'ENOTDIR'].includes(code)
    const text = `"${command}" could not be started for model "${this.#spec.model.name}": ${cause.message}`
    const details = { where: command, model: this.#spec.model.name }
    this.#over = true
    this.#listener?.gone(
      new EdgebootError(missing ? 'RUNNER_INTERPRETER_MISSING' : 'RUNNER_EXITED', text, {
        details,
        cause,
      }),
    )
    this.#mark?.close()
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    this.#exited = true
    this.#exit = { code, signal }
    this.#timer?.cancel()
    // Whatever it left behind in its group would hold the pipes open.
    this.#signal('SIGKILL')
    this.#timer = this.#clock.after(leftoversMs, () => this.#finish(), { keepAlive: true })
  }

  #finish(): void {
    if (this.#over || !this.#exited) return
    this.#over = true
    this.#timer?.cancel()
    for (const stream of this.#child?.stdio ?? []) stream?.destroy()
    this.#printed.end()
    this.#listener?.gone(this.#exitError())
    this.#mark?.close()
  }

  #exitError(): EdgebootError {
    const { code, signal } = this.#exit
    const { name } = this.#spec.model
    const pid = this.#child?.pid
    const how = signal === null ? `exited with code ${code}` : `was ended by ${signal}`
    const hint = signal === 'SIGKILL' ? ', perhaps because the machine ran out of memory' : ''
    const last = this.#printed.lastLines.at(-1)
    const said = last === undefined ? '' : `; it printed last: ${last}`
    const text = `the runner of model "${name}" (pid ${pid}) ${how}${hint}${said}`
    return new EdgebootError('RUNNER_EXITED', text, {
      details: {
        model: name,
        pid,
        ...(signal === null ? { exitCode: code } : { signal }),
        lastLines: [...this.#printed.lastLines],
      },
    })
  }
}

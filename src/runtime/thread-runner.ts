import { MessageChannel, type MessagePort, type ResourceLimits, Worker } from 'node:worker_threads'
import type { Clock, Timer } from '../core/clock.ts'
import { entryPath } from '../core/entry.ts'
import { asEdgebootError, EdgebootError } from '../core/errors.ts'
import { decodeResult, encodeInfer } from './batch-codec.ts'
import { CarriedRunner, type RunnerOptions } from './carried-runner.ts'
import type { Carrier, CarrierListener } from './carrier.ts'
import { protocolError } from './frame.ts'
import { memoryError, memoryKillFactor } from './memory-watch.ts'
import { describeModelError, ownFolder } from './model-failure.ts'
import { PrintedLines } from './printed-lines.ts'
import { type Progress, progressBytes, ProgressMark } from './progress-mark.ts'
import type { InferItem, Runner, RunnerListener, RunnerSpec } from './runner.ts'
import { noStack, type StackDump } from './stack-dump.ts'
import type { ThreadData, ToThread } from './thread-messages.ts'
import { threadStack } from './thread-stack.ts'
import { parseFailed, parseLog, parseReady } from './worker-messages.ts'

/** After the end of a thread, how long what it left in its streams and its port is waited for. */
const leftoversMs = 500

/**
 * A runner that is a worker thread: JavaScript and TypeScript models. A batch goes over as one
 * transferred buffer and comes back as one. The thread has the environment of the spec and nothing
 * else; what it prints is captured.
 */
export function createThreadRunner(
  spec: RunnerSpec,
  listener: RunnerListener,
  options: RunnerOptions,
): Runner {
  const carrier = new ThreadCarrier(spec, listener, options.clock)
  return new CarriedRunner(carrier, spec, listener, options)
}

class ThreadCarrier implements Carrier {
  readonly #spec: RunnerSpec
  readonly #clock: Clock
  readonly #printed: PrintedLines
  #listener: CarrierListener | undefined
  #worker: Worker | undefined
  #port: MessagePort | undefined
  /** Streams and port that still may say something. */
  #open = 0
  #exitCode: number | undefined
  #uncaught: Error | undefined
  #timer: Timer | undefined
  #over = false
  readonly #progress = new SharedArrayBuffer(progressBytes)

  constructor(spec: RunnerSpec, listener: RunnerListener, clock: Clock) {
    this.#spec = spec
    this.#clock = clock
    this.#printed = new PrintedLines((...line) => listener.log(...line), clock)
  }

  open(listener: CarrierListener): void {
    this.#listener = listener
    const { port1, port2 } = new MessageChannel()
    const { rule, model, params, env, pipeline, memoryBytesMax } = this.#spec
    const memory = memoryBytesMax === undefined ? {} : { memoryBytesMax }
    const data: ThreadData = { rule, model, params, ...memory }
    const worker = new Worker(entryPath('./thread-main', import.meta.url), {
      name: pipeline,
      env: { ...env },
      argv: [],
      // The folder of a package in the store has no package.json, and what stands above it is ours.
      execArgv: ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON'],
      stdin: false,
      stdout: true,
      stderr: true,
      workerData: { ...data, port: port2, progress: this.#progress },
      transferList: [port2],
      ...(memoryBytesMax === undefined ? {} : { resourceLimits: heapLimits(memoryBytesMax) }),
    })
    this.#worker = worker
    this.#port = port1
    worker.on('error', (thrown: unknown) => {
      this.#uncaught = thrown instanceof Error ? thrown : new Error(String(thrown))
    })
    worker.once('exit', (code) => this.#onExit(code))
    port1.on('message', (message: unknown) => this.#onMessage(message))
    this.#untilOver((closed) => port1.once('close', closed))
    for (const stream of ['stdout', 'stderr'] as const) {
      worker[stream].on('data', (chunk: Buffer) => this.#printed.print(stream, chunk))
      this.#untilOver((closed) => worker[stream].once('end', closed))
    }
  }

  infer(batchId: number, items: readonly InferItem[]): void {
    const buffer = encodeInfer(batchId, items).buffer as ArrayBuffer
    this.#port?.postMessage(buffer satisfies ToThread, [buffer])
  }

  drain(): void {
    this.#port?.postMessage('drain' satisfies ToThread)
  }

  stacks(): Promise<StackDump> {
    const worker = this.#worker
    if (worker === undefined || this.#exitCode !== undefined) return Promise.resolve(noStack)
    return threadStack(worker, ownFolder(this.#spec.model.folder), this.#clock)
  }

  /** The thread itself is not asked: it may be busy. */
  async memoryBytes(): Promise<number | undefined> {
    try {
      const heap = await this.#worker?.getHeapStatistics()
      return heap && heap.used_heap_size + heap.external_memory + heap.malloced_memory
    } catch {
      return undefined // it has ended
    }
  }

  progress(): Progress | undefined {
    return new ProgressMark(this.#progress).read()
  }

  terminate(): void {
    this.kill()
  }

  kill(): void {
    // Its exit tells when it is done; a rejection would tell nothing more.
    this.#worker?.terminate().catch(() => {})
  }

  #onMessage(message: unknown): void {
    try {
      if (message instanceof ArrayBuffer) {
        this.#listener?.result(decodeResult(new Uint8Array(message)))
        return
      }
      if (typeof message !== 'object' || message === null || !('type' in message)) {
        throw protocolError('a message of no known kind')
      }
      this.#onWords({ ...message })
    } catch (thrown) {
      this.#listener?.failed(asEdgebootError(thrown))
    }
  }

  #onWords(message: Record<string, unknown>): void {
    if (message['type'] === 'log') this.#printed.log(parseLog(message))
    else if (message['type'] === 'ready') this.#listener?.ready(parseReady(message))
    else if (message['type'] === 'failed') this.#listener?.failed(parseFailed(message, this.#spec))
    else throw protocolError('a message of no known kind')
  }

  #onExit(code: number): void {
    this.#exitCode = code
    this.#timer = this.#clock.after(leftoversMs, () => this.#finish(), { keepAlive: true })
    this.#finishWhenQuiet()
  }

  #untilOver(subscribe: (closed: () => void) => void): void {
    this.#open += 1
    subscribe(() => {
      this.#open -= 1
      this.#finishWhenQuiet()
    })
  }

  #finishWhenQuiet(): void {
    if (this.#open === 0 && this.#exitCode !== undefined) this.#finish()
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    this.#timer?.cancel()
    this.#port?.close()
    this.#printed.end()
    this.#listener?.gone(this.#exitError())
  }

  #exitError(): EdgebootError {
    const { model, memoryBytesMax } = this.#spec
    const uncaught = this.#uncaught
    if (isOutOfMemory(uncaught)) return outOfMemory(model.name, memoryBytesMax)
    const error = uncaught && describeModelError(uncaught, ownFolder(model.folder))
    const how =
      error === undefined
        ? `exited with code ${this.#exitCode}`
        : `ended with an uncaught ${error.type}: ${error.message}`
    return new EdgebootError('RUNNER_EXITED', `the thread of model "${model.name}" ${how}`, {
      cause: uncaught,
      details: {
        model: model.name,
        exitCode: this.#exitCode,
        ...(error?.where === undefined ? {} : { where: error.where }),
        lastLines: [...this.#printed.lastLines],
      },
    })
  }
}

/** The heap ends where the watch would kill: what it sees four times a second, V8 sees at once. */
function heapLimits(memoryBytesMax: number): ResourceLimits {
  const mebibytes = memoryBytesMax / 1024 ** 2
  return { maxOldGenerationSizeMb: Math.ceil(mebibytes * memoryKillFactor) }
}

function outOfMemory(model: string, memoryBytesMax: number | undefined): EdgebootError {
  if (memoryBytesMax !== undefined) {
    const heapBytes = memoryBytesMax * memoryKillFactor
    return memoryError(model, 'of heap and got no more', heapBytes, memoryBytesMax)
  }
  const text = `model "${model}" filled all of the heap that Node allows a thread`
  return new EdgebootError('RUNNER_MEMORY', text, { details: { model } })
}

function isOutOfMemory(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'ERR_WORKER_OUT_OF_MEMORY'
}

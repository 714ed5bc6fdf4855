import type { Clock, Timer } from '../core/clock.ts'
import { limits } from '../core/limits.ts'
import { LineSplitter } from './line-splitter.ts'
import type { RunnerListener } from './runner.ts'
import type { LogMessage } from './worker-messages.ts'

/** Lines of standard error that go into the error of a runner that exited. */
const lastLinesMax = 20
const windowMs = 1_000

/** A stream that a model prints to. */
export type PrintedStream = 'stdout' | 'stderr'

/**
 * What a model prints and logs, on its way to the log: by lines, cut, and no more than
 * {@link limits.printedLinesPerSecond}. Lines beyond that are counted and the count is logged once
 * per second. The last lines of standard error are kept, logged or not, for the error that follows
 * when the runner dies.
 */
export class PrintedLines {
  readonly #log: RunnerListener['log']
  readonly #clock: Clock
  readonly #splitters = {
    stdout: new LineSplitter(limits.printedLineCharsMax),
    stderr: new LineSplitter(limits.printedLineCharsMax),
  }
  readonly #last: string[] = []
  #windowStart = Number.NEGATIVE_INFINITY
  #inWindow = 0
  #suppressed = 0
  #timer: Timer | undefined

  constructor(log: RunnerListener['log'], clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  /** The last lines of standard error, oldest first. */
  get lastLines(): readonly string[] {
    return this.#last
  }

  /** Takes bytes as they were printed. */
  print(stream: PrintedStream, chunk: Uint8Array): void {
    this.#splitters[stream].push(chunk, (line) => this.#line(stream, line))
  }

  /** Takes a line that the model logged; a long message is cut. */
  log(message: LogMessage): void {
    if (!this.#admit()) return
    const { level, event, fields } = message
    const text = fields['message']
    if (typeof text === 'string' && text.length > limits.printedLineCharsMax) {
      const cut = `${text.slice(0, limits.printedLineCharsMax - 1)}…`
      this.#log(level, event, { ...fields, message: cut })
    } else this.#log(level, event, fields)
  }

  /** Hands over what is left when the streams have ended. */
  end(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      this.#splitters[stream].end((line) => this.#line(stream, line))
    }
    this.#report()
  }

  #line(stream: PrintedStream, line: string): void {
    if (stream === 'stderr') {
      this.#last.push(line)
      if (this.#last.length > lastLinesMax) this.#last.shift()
    }
    if (!this.#admit()) return
    this.#log(stream === 'stdout' ? 'info' : 'warn', 'model.print', { line, stream })
  }

  #admit(): boolean {
    const now = this.#clock.monotonic()
    if (now - this.#windowStart >= windowMs) {
      this.#report()
      this.#windowStart = now
      this.#inWindow = 0
    }
    this.#inWindow += 1
    if (this.#inWindow <= limits.printedLinesPerSecond) return true
    this.#suppressed += 1
    this.#timer ??= this.#clock.after(windowMs, () => this.#report())
    return false
  }

  #report(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#suppressed === 0) return
    const lines = this.#suppressed
    this.#suppressed = 0
    const most = limits.printedLinesPerSecond
    this.#log('warn', 'model.print.suppressed', { lines, linesPerSecondMax: most })
  }
}

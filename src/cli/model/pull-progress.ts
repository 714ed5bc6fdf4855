import type { CommandIo } from '../command-io.ts'
import { sizeText } from '../text-table.ts'

/** How often a terminal is drawn anew, milliseconds. */
const redrawMs = 100
/** Over which the speed is measured, milliseconds. */
const speedMs = 2000
/** Between two lines where there is no terminal: of what is known to come, and of what is not. */
const lineEvery = { percent: 10, bytes: 16 * 1024 * 1024 } as const

/** Tells how far a download is: in place on a terminal, else a line now and then. */
export class PullProgress {
  readonly #io: CommandIo
  readonly #now: () => number
  #drawnAt = -Infinity
  #mark: { readonly at: number; readonly bytes: number } | undefined
  #bytesPerSecond: number | undefined
  #lineDue = 0
  #isDrawn = false

  /** @param now - Monotonic milliseconds. */
  constructor(io: CommandIo, now: () => number) {
    this.#io = io
    this.#now = now
  }

  /** So many bytes are on the disk, of so many. */
  update(bytes: number, total: number | undefined): void {
    this.#measure(bytes)
    if (this.#io.terminal === undefined) this.#line(bytes, total)
    else this.#draw(bytes, total, this.#io.terminal.columns)
  }

  /** Leaves the line free for others. */
  end(): void {
    if (this.#isDrawn) this.#io.stdout('\r\u001b[K')
    this.#isDrawn = false
  }

  #measure(bytes: number): void {
    const at = this.#now()
    this.#mark ??= { at, bytes }
    const elapsedMs = at - this.#mark.at
    if (elapsedMs < speedMs) return
    this.#bytesPerSecond = ((bytes - this.#mark.bytes) / elapsedMs) * 1000
    this.#mark = { at, bytes }
  }

  #draw(bytes: number, total: number | undefined, columns: number): void {
    const isWhole = bytes === total
    if (this.#now() - this.#drawnAt < redrawMs && !isWhole) return
    this.#drawnAt = this.#now()
    this.#isDrawn = true
    this.#io.stdout(`\r${this.#text(bytes, total).slice(0, Math.max(columns - 1, 10))}\u001b[K`)
  }

  #line(bytes: number, total: number | undefined): void {
    const step =
      total === undefined ? bytes / lineEvery.bytes : percentOf(bytes, total) / lineEvery.percent
    if (step < this.#lineDue) return
    this.#lineDue = Math.floor(step) + 1
    this.#io.stdout(`${this.#text(bytes, total)}\n`)
  }

  #text(bytes: number, total: number | undefined): string {
    const speed = this.#bytesPerSecond === undefined ? '' : `, ${sizeText(this.#bytesPerSecond)}/s`
    return total === undefined
      ? `${sizeText(bytes)} so far${speed}`
      : `${sizeText(bytes)} of ${sizeText(total)}, ${Math.floor(percentOf(bytes, total))} %${speed}`
  }
}

function percentOf(bytes: number, total: number): number {
  return total === 0 ? 100 : (bytes / total) * 100
}

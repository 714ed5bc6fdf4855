import type { Clock, Timer } from '../core/clock.ts'
import { EdgebootError } from '../core/errors.ts'

/** Between two looks at a runner that works. */
const lookEveryMs = 250
/** The same for one above half of its limit: it may be on its way. */
const lookSoonMs = 50
/** This much above its limit, a runner is killed in the midst of its work. */
export const memoryKillFactor = 2

/** What a watch needs from around it. */
export interface MemoryWatchOptions {
  readonly clock: Clock
  readonly bytesMax: number
  /** Bytes that it holds; `undefined` where that cannot be known. Never rejects. */
  readonly measure: () => Promise<number | undefined>
  readonly isWorking: () => boolean
  /** It holds more than it may. Told once. */
  readonly outgrew: (bytes: number) => void
  /** It holds {@link memoryKillFactor} times what it may. */
  readonly exceeded: (bytes: number) => void
}

/**
 * Looks at what a runner holds, four times a second while it works and once after. One that has
 * nothing to do is not looked at: no timer runs. What a message costs is a comparison.
 */
export class MemoryWatch {
  readonly #options: MemoryWatchOptions
  #timer: Timer | undefined
  #looking = false
  #told = false
  #ended = false

  constructor(options: MemoryWatchOptions) {
    this.#options = options
  }

  /** It was given work. */
  working(): void {
    if (this.#timer === undefined && !this.#looking) this.#lookIn(lookEveryMs)
  }

  /** Nothing is told after this. */
  end(): void {
    this.#ended = true
    this.#timer?.cancel()
  }

  #lookIn(delayMs: number): void {
    if (this.#ended) return
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#timer = undefined
      void this.#look()
    })
  }

  async #look(): Promise<void> {
    const { bytesMax, measure, isWorking, outgrew, exceeded } = this.#options
    this.#looking = true
    const bytes = (await measure()) ?? 0
    this.#looking = false
    if (this.#ended) return
    if (bytes > bytesMax * memoryKillFactor) {
      this.end()
      exceeded(bytes)
      return
    }
    if (bytes > bytesMax && !this.#told) {
      this.#told = true
      outgrew(bytes)
    }
    if (isWorking()) this.#lookIn(bytes > bytesMax / 2 ? lookSoonMs : lookEveryMs)
  }
}

/**
 * That a runner holds more than it may, and what follows.
 *
 * @param moment - When that was seen, as a clause after the name of the model.
 */
export function memoryError(
  model: string,
  moment: string,
  bytes: number,
  bytesMax: number,
): EdgebootError {
  return new EdgebootError(
    'RUNNER_MEMORY',
    `model "${model}" held ${mebibytes(bytes)} ${moment}; memory allows ${mebibytes(bytesMax)}`,
    {
      details: { model, memoryBytes: bytes, memoryBytesMax: bytesMax },
    },
  )
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`
}

import type { Clock } from '../core/clock.ts'
import { dropReasons, type DropReason } from './pipeline-stats.ts'

/** How an event left a pipeline. */
export type Ending = 'published' | 'spooled' | DropReason

/** Every {@link Ending}. */
export const endings: readonly Ending[] = ['published', 'spooled', ...dropReasons]

/** Endings that are remembered. */
export const trailEndingsMax = 1000
/** Longer topics are not remembered: a thousand of the longest would take 130 MB. */
const topicCharsMax = 1024
/** What is kept of a text that says why. */
const reasonCharsMax = 300

/** What is kept of the message that an event was made of. */
export interface MessageOfTrail {
  readonly message: { readonly topic: string }
  /** Monotonic milliseconds. */
  readonly receivedAtMs: number
}

/** One event that left. */
export interface TrailEntry {
  /** Empty when it was too long to be remembered. */
  readonly topic: string
  /** Absent for a func that names no devices, and for what never came to be of a device. */
  readonly device?: string
  readonly ending: Ending
  /** Milliseconds since 1970. */
  readonly at: number
  /** From receipt to this ending. */
  readonly latencyMs: number
}

/** What a trail knows, of one topic or of all. Plain data: it travels to the main process. */
export interface TrailView {
  /** Endings that it remembers, of whatever topic. */
  readonly remembered: number
  /** Those of the topic by how they ended; what never happened is left out. */
  readonly byEnding: Readonly<Partial<Record<Ending, number>>>
  /** The latest of them, newest first. */
  readonly last: readonly TrailEntry[]
  /** Of whatever topic: the last text that said why, by the reason of the drop. */
  readonly reasons: Readonly<
    Partial<Record<DropReason, { readonly text: string; readonly at: number }>>
  >
}

/** A trail of a pipeline that nothing has left yet. */
export const emptyTrail: TrailView = { remembered: 0, byEnding: {}, last: [], reasons: {} }

/**
 * Where the last thousand events of a pipeline ended. Counts tell how many; this tells which. One
 * more costs five stores into arrays that are there, and no payload is kept.
 */
export class Trail {
  readonly #clock: Clock
  readonly #topics: string[]
  readonly #devices: (string | undefined)[]
  readonly #endings: Ending[]
  /** Monotonic milliseconds. */
  readonly #endedAt = new Float64Array(trailEndingsMax)
  readonly #latencies = new Float64Array(trailEndingsMax)
  readonly #reasons = new Map<DropReason, { readonly text: string; readonly at: number }>()
  #next = 0
  #remembered = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#topics = Array.from({ length: trailEndingsMax }, () => '')
    this.#devices = Array.from({ length: trailEndingsMax }, () => undefined)
    this.#endings = Array.from({ length: trailEndingsMax }, () => 'published' as const)
  }

  /** @param endedAtMs - Monotonic milliseconds, as those of the receipt. */
  record(
    ending: Ending,
    { message, receivedAtMs }: MessageOfTrail,
    device: string | undefined,
    endedAtMs: number,
  ): void {
    const i = this.#next
    this.#next = i + 1 === trailEndingsMax ? 0 : i + 1
    if (this.#remembered < trailEndingsMax) this.#remembered += 1
    const { topic } = message
    this.#topics[i] = topic.length > topicCharsMax ? '' : topic
    this.#devices[i] = device
    this.#endings[i] = ending
    this.#endedAt[i] = endedAtMs
    this.#latencies[i] = endedAtMs - receivedAtMs
  }

  /** Keeps what was said of a drop, instead of what was said of the last one under that reason. */
  explain(reason: DropReason, text: string): void {
    this.#reasons.set(reason, {
      text: text.length > reasonCharsMax ? `${text.slice(0, reasonCharsMax)}…` : text,
      at: this.#clock.now(),
    })
  }

  /**
   * @param topic - `undefined` for all.
   * @param lastMax - Endings to list.
   */
  view(topic: string | undefined, lastMax: number): TrailView {
    const byEnding: Partial<Record<Ending, number>> = {}
    const last: TrailEntry[] = []
    const epochMs = this.#clock.now() - this.#clock.monotonic()
    for (let age = 1; age <= this.#remembered; age++) {
      const i = (this.#next - age + trailEndingsMax) % trailEndingsMax
      if (topic !== undefined && this.#topics[i] !== topic) continue
      const ending = this.#endings[i] as Ending
      byEnding[ending] = (byEnding[ending] ?? 0) + 1
      if (last.length < lastMax) last.push(this.#entry(i, epochMs))
    }
    const reasons = Object.fromEntries(this.#reasons)
    return { remembered: this.#remembered, byEnding, last, reasons }
  }

  #entry(i: number, epochMs: number): TrailEntry {
    const device = this.#devices[i]
    return {
      topic: this.#topics[i] as string,
      ...(device === undefined ? {} : { device }),
      ending: this.#endings[i] as Ending,
      at: Math.round(epochMs + (this.#endedAt[i] as number)),
      latencyMs: this.#latencies[i] as number,
    }
  }
}

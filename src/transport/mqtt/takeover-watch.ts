import { backoffDelayMs, type BackoffPolicy, reconnectBackoff } from '../../core/backoff.ts'
import type { Clock } from '../../core/clock.ts'

/** Wait before a session that another client took is tried again. */
const takenBackoff: BackoffPolicy = { firstMs: 5 * 60_000, ceilingMs: 60 * 60_000 }
/**
 * The same when it only looks like it. A broker that crashes again and again can look the same, so
 * being wrong begins with what an ordinary outage costs: the longest wait of a reconnect.
 */
const suspectedBackoff: BackoffPolicy = {
  firstMs: reconnectBackoff.ceilingMs,
  ceilingMs: takenBackoff.ceilingMs,
}

/** A connection that the broker closes this soon may have been taken. */
export const quickCloseMs = 10_000
/** So many quick closes in a row are taken for a takeover. */
const quickClosesMax = 4
/** A connection that holds this long clears the suspicion. */
const clearedAfterMs = 60_000

/** How a session ended, as far as a takeover is concerned. */
export type SessionClose =
  /** The broker said that another client took the session (MQTT 5, reason 0x8E). */
  | 'told'
  /** The broker closed the connection without a word. */
  | 'closed'
  /** For a reason of its own that has nothing to do with a takeover. */
  | 'other'

/** What to do about a takeover. */
export interface Takeover {
  /** Whether the broker said so, or it only looks like it. */
  readonly certain: boolean
  /** How long to leave the session to the other client. */
  readonly delayMs: number
}

/**
 * Decides whether another client with our client id took the session, so that two instances do
 * not throw each other out for ever.
 *
 * MQTT 5 has a reason for it. 3.1.1 brokers, and some of MQTT 5 (Mosquitto 2.0.11), only close the
 * connection: four closes in a row, each within 10 s of the CONNACK and with nothing but our own
 * reconnect between them, are taken for it; after that a single one is enough, until a connection
 * has held for a minute. Two instances fight for 9 to 11 s until then: each is thrown out after the
 * other's wait, which doubles from half a second. A broker that restarts is seldom back for the
 * first attempt after it, and one attempt that fails clears the suspicion.
 *
 * The waits double up to 1 h, from 5 min when it is certain and from 30 s when it is not, and begin
 * anew once a connection has held for an hour.
 */
export class TakeoverWatch {
  readonly #clock: Clock
  readonly #random: () => number
  #openedAt = 0
  #quickCloses = 0
  #suspected = false
  #takeovers = 0

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock
    this.#random = random
  }

  /** The broker accepted the session. */
  opened(): void {
    this.#openedAt = this.#clock.monotonic()
  }

  /** An attempt did not get as far: the broker is away or says no, which explains earlier closes. */
  attemptFailed(): void {
    this.#quickCloses = 0
  }

  /** A session that was open is over. `undefined`: no takeover, reconnect as usual. */
  ended(how: SessionClose): Takeover | undefined {
    const heldMs = this.#clock.monotonic() - this.#openedAt
    if (heldMs >= clearedAfterMs) this.#suspected = false
    if (heldMs >= takenBackoff.ceilingMs) this.#takeovers = 0
    if (how === 'told') return this.#taken(true)
    if (how === 'other' || heldMs > quickCloseMs) {
      this.#quickCloses = 0
      return undefined
    }
    this.#quickCloses += 1
    if (!this.#suspected && this.#quickCloses < quickClosesMax) return undefined
    this.#suspected = true
    return this.#taken(false)
  }

  #taken(certain: boolean): Takeover {
    this.#quickCloses = 0
    this.#takeovers += 1
    const backoff = certain ? takenBackoff : suspectedBackoff
    return { certain, delayMs: backoffDelayMs(this.#takeovers, backoff, this.#random) }
  }
}

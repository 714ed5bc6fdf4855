import type { Clock } from '../../core/clock.ts'
import type { IncomingPacket, PacketReader } from './packet-reader.ts'
import type { IncomingPublish } from './publish-decoder.ts'
import type { SessionOutput } from './session-output.ts'

/** Packets taken in one turn of the event loop, so that a huge chunk does not hold up the rest. */
const packetsPerTurn = 1_000

/** Who gets the packets. */
export interface PacketIntakeOwner {
  /** @param now - Wall clock, looked at once for many packets. */
  packet(packet: IncomingPacket, now: number): void
  /** What came cannot be read. Nothing comes after it. */
  unreadable(thrown: unknown): void
  /** Whether packets must wait, for another reason than `pause`. */
  mustWait(): boolean
  /** No more packets come for now. */
  rest(): void
  /** The transport is read again after a while in which it was not. */
  readingStarted(): void
}

/**
 * Hands on the packets that come, one by one, and stops after any of them when it is told to.
 *
 * While it is paused only messages wait, and what is behind them: the owner of the session may need
 * what comes right behind the last message that it took, such as a SUBACK. Then the transport is
 * stopped, but not before something comes that cannot be taken: an owner at its limit pauses and
 * resumes for every message, and that must cost next to nothing. At most one message and what was
 * read last from the transport waits in here.
 */
export class PacketIntake {
  readonly #reader: PacketReader
  readonly #output: SessionOutput
  readonly #clock: Clock
  readonly #owner: PacketIntakeOwner
  #isPaused = false
  /** The message that came after `pause` and waits for `resume`. */
  #held: IncomingPublish | undefined
  /** Whole packets may be waiting in the reader. */
  #isBehind = false
  #isTaking = false
  #isTakingLater = false
  #isReading = true
  #isStopped = false
  readonly #takeLater = (): void => {
    this.#isTakingLater = false
    this.#take()
  }

  constructor(reader: PacketReader, output: SessionOutput, clock: Clock, owner: PacketIntakeOwner) {
    this.#reader = reader
    this.#output = output
    this.#clock = clock
    this.#owner = owner
  }

  /** The transport is not read because of `pause`. */
  get isDeaf(): boolean {
    return this.#isPaused && !this.#isReading
  }

  /** Takes bytes from the transport. */
  push(chunk: Buffer): void {
    if (this.#isStopped) return
    this.#reader.push(chunk)
    if (!this.#isBehind) this.#take()
    else if (this.#isReading) {
      this.#isReading = false
      this.#output.stopReading()
    }
  }

  /** No message comes after this. */
  pause(): void {
    this.#isPaused = true
  }

  /** Messages come again once it has returned. */
  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    if (!this.#isReading) this.#owner.readingStarted()
    this.goOn()
  }

  /** Goes on at the end of this turn, never within a call of the owner's, if it can. */
  goOn(): void {
    if (!this.#isBehind || this.#isTaking || this.#isTakingLater) return
    if (this.#isStopped || this.#isStuck) return
    this.#isTakingLater = true
    this.#output.defer(this.#takeLater)
  }

  /**
   * The transport is gone: hands on what came before. Messages that wait for `resume` are left out;
   * with QoS 1 the broker sends them again.
   */
  takeRest(): void {
    const now = this.#clock.now()
    for (let packet = this.#next(); packet !== undefined; packet = this.#next()) {
      if (packet.kind !== 'publish' || !this.#isPaused) this.#owner.packet(packet, now)
    }
  }

  /** Forgets everything. Nothing is called any more. */
  stop(): void {
    this.#isStopped = true
    this.#held = undefined
  }

  get #isStuck(): boolean {
    return (this.#isPaused && this.#held !== undefined) || this.#owner.mustWait()
  }

  /** Takes packets until there is no whole one left, or no reason to go on. */
  #take(): void {
    if (this.#isTaking || this.#isStopped) return
    this.#isTaking = true
    this.#isBehind = true
    const now = this.#clock.now()
    try {
      for (let left = packetsPerTurn; left > 0 && !this.#isStuck; left--) {
        const packet = this.#next()
        if (packet === undefined) {
          this.#caughtUp()
          return
        }
        if (packet.kind === 'publish' && this.#isPaused) this.#held = packet
        else this.#owner.packet(packet, now)
      }
    } finally {
      this.#isTaking = false
      if (!this.#isStopped) {
        this.#owner.rest()
        this.goOn()
      }
    }
  }

  #caughtUp(): void {
    this.#isBehind = false
    if (this.#isReading || this.#isStopped) return
    this.#isReading = true
    this.#owner.readingStarted()
    this.#output.startReading()
  }

  #next(): IncomingPacket | undefined {
    if (this.#isStopped) return undefined
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) return held
    try {
      return this.#reader.next()
    } catch (thrown) {
      this.#owner.unreadable(thrown)
      return undefined
    }
  }
}

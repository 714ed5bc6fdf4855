import type { SourceMessage } from '../transport.ts'

/**
 * Counts the QoS 1 messages of one connection that are not acknowledged, and keeps back those
 * beyond the window: whatever the broker does, no more than the window is passed on.
 *
 * A broker that honours the Receive Maximum (MQTT 5.0, 4.9) never fills the place behind the
 * window. 3.1.1 has no such limit, and some brokers of MQTT 5 leak beyond theirs (Mosquitto
 * 2.0.11): then {@link isFull} asks to stop reading until half of the window is free again, since
 * stopping and starting for every message would cost more than it is worth. Reading goes on at
 * exactly the window, so that a broker that keeps to it is still heard. Pure.
 */
export class ReceiveWindow {
  readonly #size: number
  #unacknowledged = 0
  /** Beyond the window: those that came before reading could stop. */
  #held: SourceMessage[] = []
  /** Half of the window became free since it was full. */
  #isReleasing = false

  constructor(size: number) {
    this.#size = size
  }

  /** Whether reading has to stop. */
  get isFull(): boolean {
    return this.#held.length > 0
  }

  /** Takes note of a message. @returns Whether it is to be passed on now; else it is kept. */
  admit(message: SourceMessage): boolean {
    // One without a token waits only for those that came before it.
    const isBeyond = message.ack !== undefined && this.#unacknowledged >= this.#size
    if (this.isFull || isBeyond) {
      this.#held.push(message)
      return false
    }
    if (message.ack !== undefined) this.#unacknowledged += 1
    return true
  }

  /** A message was acknowledged. Look for what was kept with {@link release}. */
  acknowledged(): void {
    this.#unacknowledged -= 1
    if (this.#unacknowledged <= this.#size / 2) this.#isReleasing = true
  }

  /** The next message that was kept and is to be passed on now, oldest first; none while full. */
  release(): SourceMessage | undefined {
    const next = this.#isReleasing ? this.#held[0] : undefined
    if (next === undefined || (next.ack !== undefined && this.#unacknowledged >= this.#size)) {
      this.#isReleasing = false
      return undefined
    }
    this.#held.shift()
    if (next.ack !== undefined) this.#unacknowledged += 1
    return next
  }

  /** The connection is gone: the broker will send everything again. */
  clear(): void {
    this.#unacknowledged = 0
    this.#held = []
    this.#isReleasing = false
  }
}

import type { BrokerSettings } from '../../config/settings.ts'
import { isClosedByBroker, type MqttProtocol, type SessionEnd } from './mqtt-session.ts'

/** Closes before CONNACK, in a row, after which a broker is taken for one that cannot MQTT 5. */
const mutedClosesMax = 2

/**
 * The MQTT version to try: the configured one, or 5 until a broker turns out not to speak it. What
 * was found out on the first connection holds from then on.
 */
export class ProtocolChoice {
  #current: MqttProtocol
  /** Whether the version may still turn out to be 3.1.1. */
  #negotiable: boolean
  /** Closes before CONNACK with MQTT 5, in a row. */
  #mutedCloses = 0

  constructor(configured: BrokerSettings['protocol']) {
    this.#current = configured === '3.1.1' ? '3.1.1' : '5'
    this.#negotiable = configured === 'auto'
  }

  /** What to try, or what is spoken. */
  get current(): MqttProtocol {
    return this.#current
  }

  /** CONNACK is there. @returns Whether this settles on 3.1.1 for a broker without MQTT 5. */
  opened(): boolean {
    const settled = this.#negotiable && this.#current === '3.1.1'
    this.#mutedCloses = 0
    this.#negotiable = false
    return settled
  }

  /** An attempt ended before CONNACK. @returns Whether to try at once with 3.1.1. */
  failed(end: SessionEnd): boolean {
    if (this.#means311(end)) {
      this.#current = '3.1.1'
      return true
    }
    // What was only a guess is not kept.
    if (this.#negotiable) this.#current = '5'
    return false
  }

  /** Whether this end of an attempt with MQTT 5 means that the broker wants 3.1.1. */
  #means311(end: SessionEnd): boolean {
    if (!this.#negotiable || this.#current === '3.1.1') return false
    if (end.kind === 'refused') return end.code === 1 || end.code === 132
    if (end.kind === 'protocol') return true
    this.#mutedCloses = isClosedByBroker(end) ? this.#mutedCloses + 1 : 0
    return this.#mutedCloses >= mutedClosesMax
  }
}

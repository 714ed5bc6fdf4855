import type { BrokerSettings } from '../../config/settings.ts'
import { systemClock } from '../../core/clock.ts'
import type { Logger } from '../../core/log.ts'
import { createMqttSink } from '../../transport/mqtt/create-mqtt-transport.ts'
import type { SinkListener, WithdrawableSink } from '../../transport/transport.ts'
import type { PlannedMessage } from './message-plan.ts'

/** Messages that may be without a confirmation. */
const inFlightMax = 200
/** How often is looked for what has become due. */
const tickMs = 4

const nobodyListens: SinkListener = {
  state: () => {},
  recovered: () => {},
  forwarded: () => {},
  discarded: () => {},
}

/** What a publisher is told. */
export interface PublisherOptions {
  readonly broker: BrokerSettings
  readonly log: Logger
  /** The messages of this broker, by their place in the plan; ascending. */
  readonly indexes: readonly number[]
  readonly messageAt: (index: number) => PlannedMessage
  /** It leaves, for the first time or again. */
  readonly sent: (index: number) => void
}

/**
 * Publishes to one broker on schedule, at QoS 1, and loses nothing: what is not confirmed is sent
 * again, in order; and so is what a broker confirmed and then forgot because it was killed. It plays
 * the devices of a plant, so it does without edgeboot's spool.
 */
export class ChaosPublisher {
  readonly #options: PublisherOptions
  #sink: WithdrawableSink
  /** When each was confirmed, milliseconds since 1970; 0 for not yet. By place in `indexes`. */
  readonly #confirmedAt: Float64Array
  #confirmed = 0
  #next = 0
  /** Messages of the schedule that are to be sent at all. */
  #count: number
  /** Grows when everything on its way is taken back: what comes of it then means nothing. */
  #generation = 0
  #isHeldBack = false
  #begunAt: number | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#count = options.indexes.length
    this.#confirmedAt = new Float64Array(this.#count)
    this.#sink = this.#createSink()
  }

  /** Begins at once; the schedule counts from here. */
  async start(): Promise<void> {
    await this.#sink.start(nobodyListens)
    this.#begunAt = performance.now()
    this.#timer = setInterval(() => this.#publishDue(), tickMs)
  }

  /** Everything was confirmed. */
  get isDone(): boolean {
    return this.#confirmed >= this.#count
  }

  /** What has not left yet stays; what has is confirmed all the same. */
  endEarly(): void {
    this.#count = this.#next
  }

  /** Nothing more leaves until {@link brokerIsBack}: call it before the broker is ended. */
  async holdBack(): Promise<void> {
    this.#isHeldBack = true
    this.#generation += 1
    this.#sink.withdraw('all')
    await this.#sink.close(0)
  }

  /**
   * The broker is back, and what it confirmed after `forgottenSince` is gone from it: that is sent
   * again, and all that follows it, so that the order stays. On a connection of its own, made at once:
   * how long devices wait before they try again is not what is tested.
   *
   * @param forgottenSince - Milliseconds since 1970; `Infinity` when it forgot nothing.
   */
  async brokerIsBack(forgottenSince: number): Promise<void> {
    this.#sink = this.#createSink()
    await this.#sink.start(nobodyListens)
    const first = this.#confirmedAt.findIndex((at) => at === 0 || at >= forgottenSince)
    this.#next = first === -1 ? this.#confirmedAt.length : first
    this.#confirmedAt.fill(0, this.#next)
    this.#confirmed = this.#next
    this.#isHeldBack = false
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#sink.withdraw('all')
    await this.#sink.close(1000)
  }

  #createSink(): WithdrawableSink {
    const { broker, log } = this.#options
    return createMqttSink(
      { broker, clientId: 'edgeboot-chaos-devices', qos: 1, topic: '', timeoutMs: 10_000 },
      { clock: systemClock, log, itemsMax: inFlightMax, whenFull: 'block' },
    )
  }

  #publishDue(): void {
    if (this.#isHeldBack || this.#begunAt === undefined) return
    const { indexes, messageAt, sent } = this.#options
    const elapsedMs = performance.now() - this.#begunAt
    while (this.#sink.pending < inFlightMax) {
      const place = this.#next
      const index = place < this.#count ? indexes[place] : undefined
      const message = index === undefined ? undefined : messageAt(index)
      if (index === undefined || message === undefined || message.dueMs > elapsedMs) return
      this.#next += 1
      sent(index)
      const generation = this.#generation
      const { topic, payload } = message
      this.#sink.publish({ topic, payload }, (outcome) => {
        if (outcome !== 'published' || generation !== this.#generation) return
        this.#confirmedAt[place] = Date.now()
        this.#confirmed += 1
      })
    }
  }
}

import { PriorityGroup, type Starter } from '../boot/starter.ts'
import type { StarterContext } from '../boot/starter-context.ts'
import type { Timer } from '../core/clock.ts'
import type { PipelineStatus } from '../host/system-view.ts'
import { embeddedBrokersKey, settingsKey, systemViewKey } from '../starters/services.ts'
import { createMqttSink } from '../transport/mqtt/create-mqtt-transport.ts'
import type { Sink } from '../transport/transport.ts'
import { demoMessage } from './demo-telemetry.ts'

/** How often the plant sends what has become due, milliseconds. */
const tickMs = 20

/** The plant of the demo: a starter that publishes telemetry at a steady rate, stopped first. */
export class DemoPlant implements Starter {
  readonly name = 'demo-plant'
  readonly priorityGroup = PriorityGroup.System
  readonly priority = 1
  readonly blocking = false
  readonly #ratePerSecond: number
  #sink: Sink | undefined
  #timer: Timer | undefined
  #sent = 0

  constructor(options: { rate: number }) {
    this.#ratePerSecond = options.rate
  }

  /** Messages published so far. */
  get sent(): number {
    return this.#sent
  }

  init(): void {}
  setup(): void {}

  async start(context: StarterContext): Promise<void> {
    const broker = context.get(settingsKey).brokers[0]
    const address = broker && context.get(embeddedBrokersKey).get(broker.name)
    if (broker === undefined || address === undefined) return
    const { clock, log } = context
    this.#sink = createMqttSink(
      {
        broker: { ...broker, url: address.url },
        clientId: 'demo-plant',
        qos: 0,
        topic: '',
        timeoutMs: 10_000,
      },
      { clock, log, itemsMax: 10_000, whenFull: 'drop-newest' },
    )
    await this.#sink.start({
      state: () => {},
      recovered: () => {},
      forwarded: () => {},
      discarded: () => {},
    })
    const view = context.get(systemViewKey)
    let begunAt: number | undefined
    const tick = (): void => {
      // What is sent at QoS 0 before anybody listens is gone: the plant waits for its audience.
      if (begunAt === undefined && view.pipelines().every(isSettled)) begunAt = clock.monotonic()
      const elapsedMs = begunAt === undefined ? 0 : clock.monotonic() - begunAt
      const due = Math.floor((elapsedMs / 1000) * this.#ratePerSecond)
      while (this.#sent < due) this.#publish(clock.now())
      this.#timer = clock.after(tickMs, tick)
    }
    tick()
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    await this.#sink?.close(1000)
  }

  #publish(now: number): void {
    const { topic, payload } = demoMessage(this.#sent, now)
    this.#sent += 1
    this.#sink?.publish({ topic, payload: Buffer.from(payload) }, () => {})
  }
}

function isSettled({ state }: PipelineStatus): boolean {
  return state === 'READY' || state === 'BROKEN'
}

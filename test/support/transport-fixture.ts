import type { BrokerSettings, SourceSettings, WhenFull } from '../../src/config/settings.ts'
import { systemClock } from '../../src/core/clock.ts'
import { createMqttSink, createMqttSource } from '../../src/transport/mqtt/create-mqtt-transport.ts'
import type {
  ConnectionState,
  PublishOutcome,
  Source,
  SourceMessage,
  WithdrawableSink,
} from '../../src/transport/transport.ts'
import { RecordedLog } from './recorded-log.ts'
import { until } from './wait.ts'

let ids = 0

/** A client id that no other test has. */
export function uniqueId(prefix: string): string {
  return `${prefix}-${process.pid}-${++ids}`
}

/** A source or a sink, and everything that it said. */
export class Recorder {
  readonly messages: SourceMessage[] = []
  readonly states: ConnectionState[] = []
  readonly outcomes: PublishOutcome[] = []
  sessionsLost = 0
  readonly #log = new RecordedLog()
  readonly log = this.#log.logger
  readonly lines = this.#log.lines
  /** Called instead of keeping the message, when set. */
  onMessage: ((message: SourceMessage) => void) | undefined

  readonly listener = {
    message: (message: SourceMessage): void => {
      if (this.onMessage === undefined) this.messages.push(message)
      else this.onMessage(message)
    },
    state: (state: ConnectionState): void => void this.states.push(state),
    sessionLost: (): void => void this.sessionsLost++,
    recovered: (): void => {},
    forwarded: (): void => {},
    discarded: (): void => {},
  }

  readonly settled = (outcome: PublishOutcome): void => {
    this.outcomes.push(outcome)
  }

  get statuses(): readonly string[] {
    return this.states.map(({ status }) => status)
  }

  get texts(): readonly string[] {
    return this.messages.map(({ payload }) => Buffer.from(payload).toString())
  }

  /** Waits until a state of this kind has come, from the `from`-th on. */
  reached(status: ConnectionState['status'], from = 0): Promise<ConnectionState> {
    return until(`state ${status}; there were ${JSON.stringify(this.states)}`, () =>
      this.states.slice(from).find((state) => state.status === status),
    )
  }
}

/** Settings of a source with defaults that suit a test: of QoS 0, and without a folder for records. */
export function sourceSettings(
  broker: BrokerSettings,
  overrides: Partial<SourceSettings> = {},
): SourceSettings {
  return {
    broker,
    clientId: uniqueId('source'),
    qos: 0,
    sessionExpirySeconds: overrides.qos === 1 ? 3600 : 0,
    window: 100,
    recordsFolder: '/nonexistent',
    topic: '#',
    retained: true,
    ...overrides,
  }
}

/** Opens an MQTT source and records it. The caller closes it. */
export async function openSource(
  broker: BrokerSettings,
  options: Partial<SourceSettings> & {
    /** Does not wait for the connection. */
    readonly unconnected?: boolean
  } = {},
): Promise<{ source: Source; record: Recorder }> {
  const record = new Recorder()
  const { unconnected = false, ...overrides } = options
  const settings = sourceSettings(broker, overrides)
  const source = createMqttSource(settings, { clock: systemClock, log: record.log })
  await source.start(record.listener)
  if (!unconnected) await record.reached('connected')
  return { source, record }
}

/** Opens an MQTT sink and records it. The caller closes it. */
export async function openSink(
  broker: BrokerSettings,
  options: {
    readonly clientId?: string
    readonly qos?: 0 | 1
    readonly timeoutMs?: number
    readonly itemsMax?: number
    readonly bytesMax?: number
    readonly whenFull?: WhenFull
    readonly unconnected?: boolean
  } = {},
): Promise<{ sink: WithdrawableSink; record: Recorder }> {
  const record = new Recorder()
  const { clientId = uniqueId('sink'), timeoutMs = 10_000, unconnected = false } = options
  const { qos = 0, itemsMax = 10_000, bytesMax = 64 * 1024 * 1024, whenFull = 'block' } = options
  const sink = createMqttSink(
    { broker, clientId, qos, timeoutMs, topic: 'unused' },
    { clock: systemClock, log: record.log, itemsMax, bytesMax, whenFull },
  )
  await sink.start(record.listener)
  if (!unconnected) await record.reached('connected')
  return { sink, record }
}

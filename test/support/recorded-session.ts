import { systemClock } from '../../src/core/clock.ts'
import { parseBrokerAddress } from '../../src/transport/mqtt/broker-address.ts'
import type {
  OutgoingPublish,
  Session,
  SessionEnd,
  SessionFacts,
  SessionOptions,
} from '../../src/transport/mqtt/mqtt-session.ts'
import { openSocketSession } from '../../src/transport/mqtt/socket-session.ts'
import type { SourceMessage } from '../../src/transport/transport.ts'
import { brokerSettings } from './broker-settings.ts'
import { uniqueId } from './transport-fixture.ts'
import { until } from './wait.ts'

/** What a test may choose of a session. */
export interface RecordedSessionOptions extends Partial<SessionOptions> {
  readonly keepAliveSeconds?: number
  readonly username?: string
  readonly password?: string
}

/** A session over real sockets, and everything that it said. */
export class RecordedSession {
  readonly session: Session
  readonly facts: SessionFacts[] = []
  readonly messages: SourceMessage[] = []
  readonly ends: SessionEnd[] = []
  rooms = 0
  /** Called for every message, after it was recorded. */
  onMessage: (message: SourceMessage) => void = () => {}

  constructor(url: string, options: RecordedSessionOptions = {}) {
    const { keepAliveSeconds = 60, username, password, ...rest } = options
    const credentials = { ...(username && { username }), ...(password && { password }) }
    this.session = openSocketSession(
      {
        broker: brokerSettings(url, { keepAliveSeconds, ...credentials }),
        address: parseBrokerAddress(url),
        tls: { rejectUnauthorized: true },
        clientId: uniqueId('session'),
        protocol: '5',
        clock: systemClock,
        epoch: 1,
        keptForSeconds: 0,
        receiveMaximum: 1000,
        ...rest,
      },
      {
        opened: (facts) => void this.facts.push(facts),
        message: (message) => {
          this.messages.push(message)
          this.onMessage(message)
        },
        room: () => void (this.rooms += 1),
        ended: (end) => void this.ends.push(end),
      },
    )
  }

  /** Opens one and waits for the CONNACK. */
  static async open(
    ...args: ConstructorParameters<typeof RecordedSession>
  ): Promise<RecordedSession> {
    const recorded = new RecordedSession(...args)
    await until(`CONNACK; ended: ${JSON.stringify(recorded.ends)}`, () => recorded.facts.length > 0)
    return recorded
  }

  get texts(): readonly string[] {
    return this.messages.map(({ payload }) => Buffer.from(payload).toString())
  }

  /** Waits until this many messages have come in. */
  async received(count: number): Promise<void> {
    await until(`${count} messages`, () => this.messages.length >= count)
  }

  /** Waits until it is over. */
  ended(): Promise<SessionEnd> {
    return until('the end', () => this.ends[0])
  }

  /** @returns The code of the SUBACK. */
  subscribe(filter: string, qos: 0 | 1 = 1): Promise<number> {
    return new Promise((resolve) => {
      this.session.subscribe(filter, { qos, retained: 'all' }, resolve)
    })
  }

  /** @returns The code of the PUBACK. */
  publish(text: string, more: Partial<OutgoingPublish> = {}): Promise<number> {
    const plain = { topic: 'out', qos: 1, retain: false, duplicate: false } as const
    return new Promise((resolve) => {
      this.session.publish({ payload: Buffer.from(text), ...plain, ...more }, resolve)
    })
  }

  acknowledgeAll(): void {
    for (const { ack } of this.messages) if (ack !== undefined) this.session.acknowledge(ack.id)
  }
}

import type { BrokerSettings, SourceSettings } from '../../config/settings.ts'
import { parseBrokerAddress } from './broker-address.ts'
import { BrokerConnection } from './broker-connection.ts'
import type { ConnectionFacts, MqttParts, Ready } from './connection-owner.ts'
import type { Session } from './mqtt-session.ts'
import { reasonWords } from './reason-codes.ts'
import { type SessionRecord, SessionRecords } from './session-records.ts'

/** What the sweep has to know of the configuration. Brokers that are `embedded://` may be so here. */
export interface AbandonedSessionsSettings {
  /** Folder of the {@link SessionRecords}. */
  readonly recordsFolder: string
  readonly brokers: readonly BrokerSettings[]
  /** The sources of all pipelines: what they use is left alone. */
  readonly sources: readonly Pick<SourceSettings, 'broker' | 'clientId'>[]
}

/**
 * Ends the subscriptions of client ids that left the configuration, so that brokers do not go on
 * filling sessions that nobody will ever come back for.
 *
 * What a broker had kept by then stays there, unacknowledged, until the session expires: putting
 * the client id back gets it. A broker that is away is tried again until {@link close}; those of
 * one broker come one after the other, so that it never sees more than one connection of these. A
 * record that the configuration uses is never touched.
 */
export class AbandonedSessions {
  readonly #settings: AbandonedSessionsSettings
  readonly #parts: MqttParts
  readonly #records: SessionRecords
  readonly #connections = new Set<BrokerConnection>()
  #work: Promise<unknown> = Promise.resolve()
  /** Ends the waiting for brokers. */
  readonly #stop = new AbortController()

  constructor(settings: AbandonedSessionsSettings, parts: MqttParts) {
    this.#settings = settings
    this.#parts = parts
    this.#records = new SessionRecords(settings.recordsFolder)
  }

  /** Begins, and goes on by itself. To be called once. */
  start(): void {
    this.#work = this.#sweep()
  }

  /** Resolves when there is nothing more to do, or {@link close} was called. Never rejects. */
  async finished(): Promise<void> {
    await this.#work
  }

  /** Disconnects and gives up what is not done yet: the next start finds it. Never rejects. */
  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all([...this.#connections].map((connection) => connection.close()))
    await this.#work
  }

  async #sweep(): Promise<void> {
    const queues = new Map<BrokerSettings, SessionRecord[]>()
    for (const record of await this.#abandoned()) {
      const broker = this.#brokerOf(record)
      if (this.#isEmbedded(record)) await this.#delete(record)
      else if (broker === undefined) await this.#giveUp(record)
      else queues.set(broker, [...(queues.get(broker) ?? []), record])
    }
    await Promise.all([...queues].map(([broker, records]) => this.#sweepBroker(broker, records)))
  }

  async #abandoned(): Promise<readonly SessionRecord[]> {
    try {
      const stored = await this.#records.all()
      return stored.flatMap(({ file, read }) => {
        if (read.kind === 'record') return this.#isInUse(read.record) ? [] : [read.record]
        if (read.kind === 'unreadable') this.#tellOfUnreadable(file, read.reason)
        return []
      })
    } catch (thrown) {
      this.#tellOfUnreadable(this.#settings.recordsFolder, String(thrown))
      return []
    }
  }

  /** One that cannot be understood is left: its source may be able to write it anew. */
  #tellOfUnreadable(file: string, reason: string): void {
    this.#parts.log.warn('session-record.unreadable', {
      file,
      reason,
      meaning: 'subscriptions that left the configuration may go on at the broker',
      fix: 'let edgeboot read it, or delete it when no pipeline uses it',
    })
  }

  #isInUse(record: SessionRecord): boolean {
    return this.#settings.sources.some(
      ({ broker, clientId }) =>
        clientId === record.clientId && addressOf(broker.url) === record.url,
    )
  }

  /** An embedded broker forgets everything when it stops, and may have another port each time. */
  #isEmbedded(record: SessionRecord): boolean {
    return this.#settings.brokers.some(
      ({ name, url }) => name === record.broker && addressOf(url) === undefined,
    )
  }

  #brokerOf(record: SessionRecord): BrokerSettings | undefined {
    const there = this.#settings.brokers.filter(({ url }) => addressOf(url) === record.url)
    return there.find(({ name }) => name === record.broker) ?? there[0]
  }

  async #giveUp(record: SessionRecord): Promise<void> {
    this.#parts.log.warn('broker.session-abandoned', {
      ...fieldsOf(record),
      filters: record.filters,
      meaning:
        'no pipeline uses this client id any more, and its broker is no longer configured: ' +
        'edgeboot cannot end its subscriptions, and the broker goes on to fill the session',
      fix: 'delete the session at the broker, or let it expire there',
    })
    await this.#delete(record)
  }

  async #sweepBroker(broker: BrokerSettings, records: readonly SessionRecord[]): Promise<void> {
    for (const record of records) {
      if (this.#stop.signal.aborted) return
      await this.#unsubscribe(broker, record)
    }
  }

  /** Resolves when the record is dealt with, or on {@link close}. */
  async #unsubscribe(broker: BrokerSettings, record: SessionRecord): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const connection = new BrokerConnection(
      {
        ...this.#parts,
        broker: withoutWill(broker),
        clientId: record.clientId,
        keptForSeconds: record.keptForSeconds,
        // What comes is not for us; one is the least that MQTT 5 knows.
        receiveMaximum: 1,
      },
      {
        opened: (session, facts, ready) => this.#opened(record, session, facts, ready, resolve),
        // Not acknowledged: the broker keeps it.
        message: () => {},
        room: () => {},
        isReading: () => true,
        lost: () => {},
        state: ({ status }) => {
          if (status === 'closed') resolve(false)
        },
      },
    )
    this.#connections.add(connection)
    connection.start()
    const isDone = await promise
    await connection.close()
    this.#connections.delete(connection)
    if (isDone) await this.#delete(record)
  }

  #opened(
    record: SessionRecord,
    session: Session,
    facts: ConnectionFacts,
    ready: Ready,
    done: (isDone: boolean) => void,
  ): void {
    if (!facts.sessionPresent) {
      ready()
      const meaning = 'the broker no longer keeps anything for this client id'
      this.#parts.log.info('broker.session-abandoned', { ...fieldsOf(record), meaning })
      done(true)
      return
    }
    let open = record.filters.length
    const refused: string[] = []
    for (const filter of record.filters) {
      session.unsubscribe(filter, (code) => {
        if (code >= 128) {
          const words = reasonWords(code, { ...record, protocol: facts.protocol })
          refused.push(`${filter}: ${words}`)
        }
        open -= 1
        if (open > 0) return
        ready()
        this.#tellOfEnd(record, refused)
        done(refused.length === 0)
      })
    }
  }

  #tellOfEnd(record: SessionRecord, refused: readonly string[]): void {
    const { log } = this.#parts
    const fields = { ...fieldsOf(record), filters: record.filters }
    if (refused.length > 0) {
      log.warn('broker.unsubscribe-refused', {
        ...fields,
        refused,
        meaning:
          'no pipeline uses this client id any more, but the broker goes on to fill its session; ' +
          'it is tried again with the next start',
      })
      return
    }
    log.warn('broker.session-abandoned', {
      ...fields,
      meaning:
        'no pipeline uses this client id any more: its subscriptions were ended. What the broker ' +
        'had kept for it stays there until the session expires',
      fix: 'nothing, if that is meant; putting the client id back gets what was kept',
    })
  }

  async #delete(record: SessionRecord): Promise<void> {
    try {
      await this.#records.delete(record.url, record.clientId)
    } catch (thrown) {
      this.#parts.log.warn('session-record.unwritable', {
        ...fieldsOf(record),
        folder: this.#settings.recordsFolder,
        reason: thrown instanceof Error ? thrown.message : String(thrown),
        meaning: 'the record of a session that nobody uses stays and is looked at again',
        fix: 'let edgeboot write to this folder',
      })
    }
  }
}

/** Nobody is to hear of the death of a connection like this. */
function withoutWill(broker: BrokerSettings): BrokerSettings {
  const { will: _, ...rest } = broker
  return rest
}

/** As it stands in records; `undefined` for an address that is not one yet. */
function addressOf(url: string): string | undefined {
  return url.startsWith('embedded:') ? undefined : parseBrokerAddress(url).text
}

function fieldsOf({ broker, url, clientId }: SessionRecord): Readonly<Record<string, string>> {
  return { broker, address: url, clientId }
}

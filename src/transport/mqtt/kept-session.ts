import { isDeepStrictEqual } from 'node:util'
import type { SourceSettings } from '../../config/settings.ts'
import type { Logger } from '../../core/log.ts'
import type { ConnectionFacts } from './connection-owner.ts'
import type { Session } from './mqtt-session.ts'
import { reasonWords } from './reason-codes.ts'
import { type SessionRecord, SessionRecords } from './session-records.ts'

/**
 * Looks after the session that a broker keeps for a source: knows whether it was lost, ends the
 * subscriptions that left the configuration, and writes down what the broker keeps.
 *
 * Where the disk does not take part it warns and goes on without: then a loss is known only within
 * the process, and subscriptions of earlier runs are not found. Nothing here rejects.
 */
export class KeptSession {
  readonly #settings: SourceSettings
  readonly #address: string
  readonly #log: Logger
  readonly #records: SessionRecords
  /** Reads and writes of the record, one after the other. */
  #work: Promise<void> = Promise.resolve()
  /** What the record says; `undefined` when there is none to rely on. */
  #stored: SessionRecord | undefined
  #wasRead = false
  #wasDeleted = false
  #toldOfDisk = false
  /** The broker was once told to keep the session, and is not known to have lost it. */
  #isExpected = false

  /** @param address - Of the broker, without credentials. */
  constructor(settings: SourceSettings, address: string, log: Logger) {
    this.#settings = settings
    this.#address = address
    this.#log = log
    this.#records = new SessionRecords(settings.recordsFolder)
  }

  /**
   * Brings a session that has just opened, and its record, to where it can be subscribed.
   *
   * @param isCurrent - Whether the session is still there, once the record was read.
   * @param lost - Called when the broker should have known the session and did not.
   */
  async prepare(
    session: Session,
    facts: ConnectionFacts,
    isCurrent: () => boolean,
    lost: () => void,
  ): Promise<void> {
    await this.#queue(() => this.#read())
    if (!isCurrent()) return
    if (this.#isExpected && !facts.sessionPresent) {
      this.#isExpected = false
      this.#tellOfLoss()
      lost()
    }
    const { broker, clientId, topic, sessionExpirySeconds } = this.#settings
    const known = facts.sessionPresent ? (this.#stored?.filters ?? []) : []
    const left = known.filter((filter) => filter !== topic)
    const refused = await this.#unsubscribe(session, left, facts)
    const filters = [topic, ...refused]
    const record = { broker: broker.name, url: this.#address, clientId, filters }
    await this.#queue(() => this.#write({ ...record, keptForSeconds: sessionExpirySeconds }))
  }

  /** The broker keeps the session from here on. */
  subscribed(): void {
    this.#isExpected = true
  }

  /** A clean session has made void what the broker kept: its record goes too. */
  forget(): void {
    if (this.#wasDeleted) return
    this.#wasDeleted = true
    void this.#queue(() => this.#records.delete(this.#address, this.#settings.clientId))
  }

  /** Waits for what is being written. Never rejects. */
  close(): Promise<void> {
    return this.#work
  }

  /** Ends subscriptions. @returns Those that the broker would not end. */
  async #unsubscribe(
    session: Session,
    filters: readonly string[],
    facts: ConnectionFacts,
  ): Promise<readonly string[]> {
    const refused: string[] = []
    for (const filter of filters) {
      // The time limit of the connection covers an answer that does not come.
      const code = await new Promise<number>((resolve) => session.unsubscribe(filter, resolve))
      if (code < 128) {
        const meaning = 'this subscription is no longer in the configuration'
        this.#log.info('broker.unsubscribed', { ...this.#fields(), filter, meaning })
        continue
      }
      refused.push(filter)
      const context = { clientId: this.#settings.clientId, protocol: facts.protocol }
      this.#log.warn('broker.unsubscribe-refused', {
        ...this.#fields(),
        filter,
        reasonCode: code,
        reason: reasonWords(code, context),
        meaning:
          'this subscription is no longer in the configuration, but the broker goes on with it; ' +
          'its messages are acknowledged unused, and it is tried again with the next connection',
      })
    }
    return refused
  }

  async #read(): Promise<void> {
    if (this.#wasRead) return
    this.#wasRead = true
    const { clientId } = this.#settings
    const read = await this.#records.read(this.#address, clientId)
    if (read.kind === 'record') {
      this.#stored = read.record
      this.#isExpected = true
    } else if (read.kind === 'unreadable') {
      this.#log.warn('session-record.unreadable', {
        ...this.#fields(),
        file: this.#records.fileOf(this.#address, clientId),
        reason: read.reason,
        meaning:
          'it is not known which subscriptions the broker keeps from earlier runs: ' +
          'those that left the configuration go on, and a lost session may go unnoticed once',
        fix: 'nothing, if it does not come again: the file is written anew',
      })
    }
  }

  async #write(record: SessionRecord): Promise<void> {
    if (isDeepStrictEqual(this.#stored, record)) return
    await this.#records.write(record)
    this.#stored = record
    this.#toldOfDisk = false
  }

  /** Lets work on the record wait for what is under way, and survive its failure. */
  #queue(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work).catch((thrown: unknown) => {
      // The same words at each connection would say nothing new.
      if (this.#toldOfDisk) return
      this.#toldOfDisk = true
      this.#log.warn('session-record.unwritable', {
        ...this.#fields(),
        folder: this.#settings.recordsFolder,
        reason: thrown instanceof Error ? thrown.message : String(thrown),
        meaning:
          'messages come and are acknowledged as always; but after a restart it is not known ' +
          'which subscriptions the broker keeps, nor whether it lost the session',
        fix: 'let edgeboot write to this folder',
      })
    })
    return this.#work
  }

  #tellOfLoss(): void {
    this.#log.warn('broker.session-lost', {
      ...this.#fields(),
      meaning:
        'the broker no longer knew the session that it was to keep: ' +
        'what came in while edgeboot was away, or was not yet acknowledged, is gone',
      fix:
        'let the broker keep its sessions on the disk (Mosquitto: persistence true, ' +
        'autosave_interval 1), and make the session expiry longer than edgeboot is ever away',
    })
  }

  #fields(): Readonly<Record<string, string>> {
    const { broker, clientId } = this.#settings
    return { broker: broker.name, address: this.#address, clientId }
  }
}

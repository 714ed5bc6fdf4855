import { Deque } from '../../core/deque.ts'
import type {
  DiscardReason,
  PublishOutcome,
  UnsettledResult,
  WithdrawableSink,
} from '../transport.ts'
import { SpoolDisk, type SpoolDiskParts } from './spool-disk.ts'
import { SpoolForwarder } from './spool-forwarder.ts'
import { SpoolHead } from './spool-head.ts'
import type { HandedRecord } from './spool-queue.ts'
import { messageSize } from './spool-record.ts'

/** What a backlog needs from around it. */
export interface SpoolBacklogParts extends Omit<SpoolDiskParts, 'waiting'> {
  readonly inner: WithdrawableSink
  /** Results that the inner sink may have. */
  readonly itemsMax: number
  /** Asks for {@link SpoolBacklog.move} within this time. */
  readonly wake: (delayMs: number) => void
  readonly forwarded: (bytes: number) => void
}

/** Results in one transaction. */
const groupItemsMax = 256
const groupBytesMax = 8 * 1024 * 1024
/** How long the first of a group waits for others. */
const groupMs = 5
/** How long what is published may stay on the disk. */
const removeMs = 20
const expireEveryMs = 10_000

/**
 * What waits outside of the inner sink, in the order in which it was published: first the `head`,
 * taken back from the inner sink and not on the disk yet (or on it as well); then the disk; then
 * what was gathered for the next group commit. What is with the inner sink is older than all three.
 */
export class SpoolBacklog {
  readonly #parts: SpoolBacklogParts
  readonly #inner: WithdrawableSink
  readonly #disk: SpoolDisk
  readonly #forwarder: SpoolForwarder
  readonly #head = new SpoolHead()
  readonly #gathered = new Deque<UnsettledResult>()
  #gatheredSince = 0
  #hasFailed = false
  #isFull = false
  #isStopping = false
  #expireAt = 0

  constructor(parts: SpoolBacklogParts) {
    this.#parts = parts
    this.#inner = parts.inner
    this.#disk = new SpoolDisk({ ...parts, waiting: () => this.unsettled })
    this.#forwarder = new SpoolForwarder(parts.inner, parts, {
      done: (handed, reason) => this.#done(handed, reason),
      failed: () => {
        this.#hasFailed = true
        parts.wake(0)
      },
    })
  }

  /** Opens what an earlier run left. Never throws: without it the sink works all the same. */
  start(): void {
    this.#disk.start()
  }

  /** Whether nothing has to go before a new result. */
  get isEmpty(): boolean {
    return this.#head.length === 0 && this.#gathered.length === 0 && !this.#disk.hasUnhanded
  }

  /** Results in memory that are not with the inner sink. */
  get unsettled(): number {
    return this.#head.results + this.#gathered.length
  }

  /** Records that are not published yet. */
  get spooled(): number {
    return this.#disk.queue?.length ?? 0
  }

  /** Records that are with the inner sink. */
  get forwarding(): number {
    return this.#forwarder.length
  }

  /** Whether the inner sink gave records back that it should have published. */
  get hasFailed(): boolean {
    return this.#hasFailed
  }

  /** Why results do not go to the disk, in a clause; `undefined` when they do. */
  get problem(): string | undefined {
    if (this.#disk.problem !== undefined || !this.#isFull) return this.#disk.problem
    const { file, bytesMax } = this.#parts.settings
    return `the spool ${file} holds the ${bytesMax} bytes that it may`
  }

  /** Lets the disk be tried, and records be forwarded, as if nothing had failed. */
  retryNow(): void {
    this.#forwarder.open()
    this.#disk.retryNow()
  }

  /** Has one result tried until the broker answers, not all of them. */
  probe(): void {
    this.#forwarder.probe()
  }

  /** The broker answers. */
  widen(): void {
    this.#forwarder.widen()
  }

  /** Leaves on the disk what is there. */
  stopForwarding(): void {
    this.#isStopping = true
  }

  /** Takes a new result. */
  gather(result: UnsettledResult): void {
    if (this.#gathered.length === 0) this.#gatheredSince = this.#parts.clock.monotonic()
    this.#gathered.push(result)
    this.#parts.wake(this.#gathered.length >= groupItemsMax ? 0 : groupMs)
  }

  /** Takes back what waits to be sent. Only while no record is with the inner sink. */
  withdrawWaiting(): void {
    this.#putBack(this.#inner.withdraw('waiting'))
  }

  /** Takes everything back from the inner sink, sent or not. */
  withdrawAll(): void {
    this.#hasFailed = false
    this.#putBack(this.#inner.withdraw('all'))
  }

  /** Puts withdrawn results before the head, and records given back where they belong. */
  #putBack(withdrawn: readonly UnsettledResult[]): void {
    const { queue } = this.#disk
    this.#head.putBack(withdrawn, queue?.failed() ?? [], (settled) =>
      this.#forwarder.returned(settled),
    )
    if (queue === undefined) return
    queue.dropCondemned()
    this.#head.dropDone()
    const isOnDisk = this.#head.results === 0 && this.#forwarder.length === 0
    if (isOnDisk && queue.rewind()) this.#head.clear()
  }

  /** Moves what waits one step on. */
  move(isConnected: boolean): void {
    // What an earlier run left is older than anything of this one.
    if (this.#disk.openLeft()) this.#headToGathered()
    this.#commitHead()
    if (isConnected) this.#handOver()
    const count = this.#gathered.length
    const isDue = count >= groupItemsMax || this.#groupAgeMs >= groupMs || this.#isStopping
    if (count > 0 && isDue) this.#commitGroup()
    this.#tidy()
    if (this.#gathered.length > 0 && this.problem === undefined) {
      this.#parts.wake(this.#gathered.length >= groupItemsMax ? 0 : groupMs)
    }
    if (this.unsettled === 0) {
      this.#isFull = false
      if (this.#disk.queue?.hasDone !== true) this.#disk.forget()
    }
  }

  get #groupAgeMs(): number {
    return this.#parts.clock.monotonic() - this.#gatheredSince
  }

  /** Writes all that is left to the disk, or settles it as `closed` where that fails. */
  finish(): void {
    this.#isStopping = true
    this.#disk.retryNow()
    this.#commitHead()
    while (this.#gathered.length > 0 && this.#commitGroup());
    for (const result of this.#head.takeResults(() => true)) this.#settle(result, 'closed')
    for (let next = this.#gathered.shift(); next !== undefined; next = this.#gathered.shift()) {
      this.#settle(next, 'closed')
    }
    this.#removeDone()
  }

  close(): void {
    this.#disk.close()
  }

  /** Puts the head on the disk, in front of all others, when it holds results that are not there. */
  #commitHead(): void {
    if (this.#head.results === 0 || this.#forwarder.length > 0) return
    if (!this.#openForResults() || this.#head.results === 0) return
    this.#refuseTooLarge()
    const { items } = this.#head
    let bytes = 0
    for (const item of items) if (item.kind === 'result') bytes += messageSize(item.result.message)
    if (!this.#fits(bytes)) return
    const records = items.map((item) =>
      item.kind === 'record' ? item.handed.record : this.#disk.record(item.result),
    )
    if (!this.#disk.write((queue) => queue.replaceHead(records))) return
    this.#head.clear()
    for (const item of items) if (item.kind === 'result') this.#settle(item.result, 'spooled')
    this.#disk.attempt((queue) => queue.dropOldest())
  }

  /** Opens the disk. What it held of an earlier run is older than the head. */
  #openForResults(): boolean {
    const isNew = this.#disk.queue === undefined
    if (!this.#disk.mayTry || !this.#disk.open()) return false
    if (isNew && this.#disk.hasUnhanded) this.#headToGathered()
    return true
  }

  /** A result larger than the whole spool would wait in front of it for ever. */
  #refuseTooLarge(): void {
    const refused = this.#head.takeResults((result) => this.#isTooLarge(result))
    for (const result of refused) this.#settleTooLarge(result)
  }

  #isTooLarge(result: UnsettledResult): boolean {
    return messageSize(result.message) > this.#parts.settings.bytesMax
  }

  #settleTooLarge(result: UnsettledResult): void {
    const { file, bytesMax } = this.#parts.settings
    const bytes = messageSize(result.message)
    this.#parts.log.warn('spool.result-too-large', { file, bytesMax, bytes })
    this.#settle(result, 'too-large')
  }

  /** Whether there is room, or room is made afterwards. */
  #fits(bytes: number): boolean {
    this.#isFull =
      this.#parts.settings.whenFull === 'block' && bytes > (this.#disk.queue?.room ?? Infinity)
    return !this.#isFull
  }

  /**
   * Puts the oldest of what was gathered on the disk, as one transaction. While the head is not
   * there, this is not tried: the order would be lost if the process died.
   *
   * @returns Whether there may be more to do.
   */
  #commitGroup(): boolean {
    if (this.#head.results > 0 || !this.#openForResults()) return false
    this.#removeDone()
    const group: UnsettledResult[] = []
    let bytes = 0
    for (const result of this.#gathered) {
      if (group.length === groupItemsMax || bytes > groupBytesMax) break
      const size = messageSize(result.message)
      if (this.#isTooLarge(result)) {
        if (group.length > 0) break
        this.#gathered.shift()
        this.#settleTooLarge(result)
        return true
      }
      if (!this.#fits(bytes + size)) break
      group.push(result)
      bytes += size
    }
    if (group.length === 0) return false
    const records = group.map((result) => this.#disk.record(result))
    if (!this.#disk.write((queue) => queue.append(records))) return false
    for (const _ of group) this.#gathered.shift()
    this.#gatheredSince = this.#parts.clock.monotonic()
    for (const result of group) this.#settle(result, 'spooled')
    this.#disk.attempt((queue) => queue.dropOldest())
    return true
  }

  /** Hands to the inner sink what has waited longest, as far as it has room. */
  #handOver(): void {
    // One that came back has to go before those behind it.
    while (this.#head.length > 0 && this.#forwarder.itemsLeft > 0 && !this.#hasFailed) {
      const item = this.#head.shift()
      if (item === undefined) break
      if (item.kind === 'record') {
        this.#forwarder.forward(item.handed)
      } else {
        this.#inner.publish(item.result.message, item.result.settled)
      }
    }
    if (this.#head.length > 0) return
    if (!this.#isStopping) this.#forwardDisk()
    if (this.#disk.hasUnhanded || this.#hasFailed) return
    while (this.#gathered.length > 0 && this.#forwarder.itemsLeft > 0) {
      const next = this.#gathered.shift()
      if (next !== undefined) this.#inner.publish(next.message, next.settled)
    }
  }

  #forwardDisk(): void {
    while (this.#disk.hasUnhanded && this.#forwarder.itemsLeft > 0 && !this.#hasFailed) {
      const { itemsLeft, bytesLeft } = this.#forwarder
      let taken: readonly HandedRecord[] = []
      const isRead = this.#disk.attempt((queue) => {
        taken = queue.take(itemsLeft, bytesLeft)
      })
      if (!isRead) return
      for (const handed of taken) {
        if (this.#hasFailed) handed.status = 'failed'
        else this.#forwarder.forward(handed)
      }
    }
  }

  #done(handed: HandedRecord, reason: DiscardReason | undefined): void {
    this.#disk.queue?.done(handed)
    if (reason === undefined) this.#parts.forwarded(handed.record.message.payload.byteLength)
    else this.#parts.discarded(reason, 1)
    const isTimeForMore = this.#disk.hasUnhanded && this.#forwarder.isRunningOut
    this.#parts.wake(isTimeForMore ? 0 : removeMs)
  }

  /** Removes what is published or too old. */
  #tidy(): void {
    if (!this.#disk.mayTry) return
    this.#removeDone()
    const now = this.#parts.clock.monotonic()
    if (now < this.#expireAt || this.#disk.queue === undefined) return
    this.#expireAt = now + expireEveryMs
    if (this.#head.length === 0) this.#disk.attempt((queue) => queue.dropExpired())
  }

  #removeDone(): void {
    if (this.#disk.queue?.hasDone !== true) return
    if (this.#disk.attempt((queue) => queue.removeDone())) this.#isFull = false
  }

  #headToGathered(): void {
    for (const result of this.#head.takeResults(() => true).toReversed()) {
      this.#gathered.unshift(result)
    }
  }

  /** Tells what became of a result. */
  #settle(result: UnsettledResult, outcome: PublishOutcome): void {
    try {
      result.settled(outcome)
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      this.#parts.log.error('sink.listener-threw', { problem })
    }
  }
}

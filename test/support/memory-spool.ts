import { EdgebootError } from '../../src/core/errors.ts'
import { messageSize } from '../../src/transport/spool/spool-record.ts'
import type {
  DamagedRecord,
  NewRecord,
  SpoolStore,
  StoredRecord,
} from '../../src/transport/spool/spool-store.ts'

/** A spool that keeps its records in an object, which outlives it as a file would. */
export class MemorySpool implements SpoolStore {
  /** Makes everything that writes fail, or the next so many. */
  failures = 0
  /** Numbers that cannot be read any more. */
  readonly damaged = new Set<number>()
  records: StoredRecord[] = []
  first = 1
  next = 1
  commits = 0

  get bytes(): number {
    return this.records.reduce((sum, { size }) => sum + size, 0)
  }

  get newestCreated(): number | undefined {
    return this.records.at(-1)?.created
  }

  append(records: readonly NewRecord[]): void {
    this.#write()
    this.records.push(...records.map((record, i) => stored(this.next + i, record)))
    this.next += records.length
  }

  replaceHead(before: number, records: readonly NewRecord[]): void {
    this.#write()
    const first = before - records.length
    const behind = this.records.filter(({ seq }) => seq >= before)
    this.records = [...records.map((record, i) => stored(first + i, record)), ...behind]
    this.first = first
  }

  read(from: number, itemsMax: number, bytesMax: number): (StoredRecord | DamagedRecord)[] {
    const found: (StoredRecord | DamagedRecord)[] = []
    let bytes = 0
    for (const record of this.records) {
      if (record.seq < from) continue
      if (found.length === itemsMax || bytes >= bytesMax) break
      bytes += record.size
      found.push(this.damaged.has(record.seq) ? { seq: record.seq, damaged: true } : record)
    }
    return found
  }

  removeBefore(before: number): void {
    this.#write()
    this.records = this.records.filter(({ seq }) => seq >= before)
    this.first = Math.max(this.first, Math.min(before, this.next))
  }

  endOfBytes(bytes: number): number {
    let freed = 0
    for (const { seq, size } of this.records) {
      if (freed >= bytes) return seq
      freed += size
    }
    return this.next
  }

  endOfAge(created: number): number {
    return this.records.find((record) => record.created >= created)?.seq ?? this.next
  }

  close(): void {}

  #write(): void {
    if (this.failures > 0) {
      this.failures -= 1
      throw new EdgebootError('SPOOL_DISK_FULL', 'the disk has no room', {
        details: { where: '/state/spool' },
      })
    }
    this.commits += 1
  }
}

function stored(seq: number, record: NewRecord): StoredRecord {
  return {
    seq,
    created: record.created,
    message: record.message,
    size: messageSize(record.message),
  }
}

import { crc32 } from 'node:zlib'
import type { SinkMessage } from '../transport.ts'
import type { NewRecord, StoredRecord } from './spool-store.ts'

/** One row of the table `records`, as SQLite gives it with big integers. */
export interface RecordRow {
  readonly seq: unknown
  readonly revision: unknown
  readonly created: unknown
  readonly checksum: unknown
  readonly topic: unknown
  readonly properties: unknown
  readonly payload: unknown
}

/** A record as it is written: all that the table holds but for its number. */
export interface EncodedRecord {
  readonly created: number
  readonly topic: string
  /** JSON. */
  readonly properties: string | null
  readonly payload: Uint8Array
  readonly size: number
}

/** Prepares a result for the disk. */
export function encodeRecord(record: NewRecord): EncodedRecord {
  const { topic, payload } = record.message
  return {
    created: Math.trunc(record.created),
    topic,
    properties: encodeProperties(record.message) ?? null,
    payload,
    size: messageSize(record.message),
  }
}

/** What a result counts for on the disk: its topic, properties and payload in bytes. */
export function messageSize(message: SinkMessage): number {
  const { topic, payload } = message
  const properties = encodeProperties(message) ?? ''
  return Buffer.byteLength(topic) + Buffer.byteLength(properties) + payload.byteLength
}

function encodeProperties({ userProperties, sharedProperties }: SinkMessage): string | undefined {
  if (userProperties === undefined && sharedProperties === undefined) return undefined
  return JSON.stringify({ ...sharedProperties, ...userProperties })
}

const prefix = Buffer.alloc(36)

/**
 * Checksum over everything in a record, its number and the lengths of its fields included, so that
 * bytes that moved from one field, or one record, to another are found as well as flipped ones.
 */
export function recordChecksum(seq: number, revision: number, record: EncodedRecord): number {
  const { topic, properties, payload } = record
  prefix.writeDoubleLE(seq, 0)
  prefix.writeDoubleLE(revision, 8)
  prefix.writeDoubleLE(record.created, 16)
  prefix.writeUInt32LE(Buffer.byteLength(topic), 24)
  prefix.writeUInt32LE(properties === null ? 0xffff_ffff : Buffer.byteLength(properties), 28)
  prefix.writeUInt32LE(payload.byteLength, 32)
  let checksum = crc32(topic, crc32(prefix))
  if (properties !== null) checksum = crc32(properties, checksum)
  return crc32(payload, checksum)
}

/** A row that is what was written. */
export interface SoundRecord {
  readonly record: StoredRecord
  readonly revision: number
  readonly encoded: EncodedRecord
}

/** Reads a row; `undefined` when it is not, bit by bit, what was written. */
export function decodeRow(row: RecordRow): SoundRecord | undefined {
  const seq = Number(row.seq)
  const revision = Number(row.revision)
  const { topic, properties, payload } = row
  if (typeof topic !== 'string' || !(payload instanceof Uint8Array)) return undefined
  if (typeof properties !== 'string' && properties !== null) return undefined
  const size = Buffer.byteLength(topic) + Buffer.byteLength(properties ?? '') + payload.byteLength
  const encoded = { created: Number(row.created), topic, properties, payload, size }
  if (BigInt(recordChecksum(seq, revision, encoded)) !== row.checksum) return undefined
  // The checksum holds, so this is the JSON that was written.
  const userProperties = properties === null ? {} : { userProperties: JSON.parse(properties) }
  const message: SinkMessage = { topic, payload, ...userProperties }
  return { record: { seq, created: encoded.created, size, message }, revision, encoded }
}

/** The single row of the table `state`: what the spool holds, and how often it was written. */
export interface SpoolState {
  /** Grows with every transaction; every record carries the one that wrote it. */
  readonly revision: number
  readonly first: number
  readonly next: number
  readonly bytes: number
  /** 1 when the file was made from a damaged one: what is missing is known to be lost. */
  readonly salvaged: number
}

/** Checksum over a state row. */
export function stateChecksum(state: SpoolState): number {
  const fields = [state.revision, state.first, state.next, state.bytes, state.salvaged]
  return crc32(`state:${fields.join(',')}`)
}

/** Reads a row of `state`; `undefined` when it is not what was written. */
export function decodeState(row: Readonly<Record<string, unknown>>): SpoolState | undefined {
  const state: SpoolState = {
    revision: Number(row['revision']),
    first: Number(row['first']),
    next: Number(row['next']),
    bytes: Number(row['bytes']),
    salvaged: Number(row['salvaged']),
  }
  return BigInt(stateChecksum(state)) === row['checksum'] ? state : undefined
}

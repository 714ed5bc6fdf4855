import { closeSync, openSync, readSync } from 'node:fs'
import { type BookedStats, namedBooks, readBooks } from '../../pipeline/books.ts'
import { addStats, closeBooks, emptyStats } from '../../pipeline/ledger.ts'
import type { PipelineStats } from '../../pipeline/pipeline-stats.ts'
import { type RecordedSuspect, suspectsMax } from '../../pipeline/recorder.ts'
import {
  type Block,
  blockBytes,
  blockHeadBytes,
  booksSlots,
  flightRegion,
  headerSlots,
  idBytes,
  parseBlock,
  type Region,
  suspectsSlots,
} from './recorder-layout.ts'

/** Places for batches in flight that are believed; more are not of this program. */
const flightPlacesMax = 4096
const flightBytesMax = 16 * 1024 * 1024

/** What the header of a recorder file says, written once by every host. */
export interface RecorderHeader {
  /** Hosts that have written here, this one included. */
  readonly generation: number
  /** Process id of the host. */
  readonly pid: number
  /** What each number of the books counts. */
  readonly names: readonly string[]
  /** Sums of all hosts before, by name; their books are closed. */
  readonly earlier: readonly (readonly [name: string, count: number])[]
  readonly flights: { readonly places: number; readonly bytes: number }
}

/** All that a recorder file holds. */
export interface Recording {
  readonly header: RecorderHeader
  /** Of the host that wrote last, as far as it had come. */
  readonly host: BookedStats
  /** Of the hosts before it. */
  readonly earlier: BookedStats
  readonly suspects: readonly RecordedSuspect[]
  /** Of the block that they stand in. */
  readonly suspectsSequence: number
  /** Ids of the events in each runner that could take the host with it. */
  readonly flights: readonly (readonly string[])[]
}

/** What has become of all messages of a pipeline since its recorder file was made. */
export interface Books {
  /** Hosts that have served it. */
  readonly generations: number
  /** Live numbers and latency are not recorded, and 0. The sum of {@link PipelineStats} holds. */
  readonly totals: PipelineStats
}

/**
 * The counts of a pipeline over all its hosts, and all runs of edgeboot. Exact for what was
 * acknowledged, whatever was killed; what was in motion in a host that died is counted as
 * `unacknowledged`. May be read at any time, also while a host writes.
 *
 * @returns `undefined` when there is no such file, or none that can be read.
 */
export function readRecordedBooks(file: string): Books | undefined {
  const recording = readRecording(file)
  if (recording === undefined) return undefined
  const totals = addStats(statsOf(recording.earlier), statsOf(recording.host))
  return { generations: recording.header.generation, totals }
}

/** The sums that the next host begins with: the books of the host that is gone are closed. */
export function closedBooks({ earlier, host }: Recording): RecorderHeader['earlier'] {
  const closed = closeBooks(addStats(statsOf(earlier), statsOf(host)), 'unacknowledged')
  return namedBooks(closed)
}

/**
 * @returns `undefined` when there is no such file, or it is no recorder file that can be read. What
 * is torn within one counts as never written.
 */
export function readRecording(file: string): Recording | undefined {
  let fd: number
  try {
    fd = openSync(file, 'r')
  } catch {
    return undefined
  }
  try {
    return read(fd)
  } catch {
    // A disk that does not give it.
    return undefined
  } finally {
    closeSync(fd)
  }
}

function read(fd: number): Recording | undefined {
  const block = newest(headerSlots.map((slot) => blockAt(fd, slot)))
  const header = block && parseHeader(block.content)
  if (header === undefined) return undefined
  const ofHost = (slot: Region): Block | undefined => {
    const found = blockAt(fd, slot)
    return found?.generation === header.generation ? found : undefined
  }
  const books = newest(booksSlots.map(ofHost))
  const numbers = new Map(header.names.map((name, i) => [name, numberAt(books, i)]))
  const suspects = newest(suspectsSlots.map(ofHost))
  const flights: string[][] = []
  for (let place = 0; place < header.flights.places; place++) {
    const flight = ofHost(flightRegion(place, header.flights.bytes))
    if (flight !== undefined && flight.content.length > 0) flights.push(parseIds(flight.content))
  }
  return {
    header,
    host: readBooks(numbers),
    earlier: readBooks(new Map(header.earlier)),
    suspects: suspects === undefined ? [] : parseSuspects(suspects.content),
    suspectsSequence: suspects?.sequence ?? 0,
    flights,
  }
}

function blockAt(fd: number, { offset, bytes }: Region): Block | undefined {
  const head = Buffer.alloc(blockHeadBytes)
  readSync(fd, head, 0, head.length, offset)
  // What was never written says 0.
  const length = Math.min(blockBytes(head), bytes)
  const buffer = Buffer.alloc(length)
  return parseBlock(buffer.subarray(0, readSync(fd, buffer, 0, length, offset)))
}

function newest(blocks: readonly (Block | undefined)[]): Block | undefined {
  let best: Block | undefined
  for (const block of blocks) {
    if (block !== undefined && block.sequence >= (best?.sequence ?? 0)) best = block
  }
  return best
}

function numberAt(block: Block | undefined, index: number): number {
  const offset = index * Float64Array.BYTES_PER_ELEMENT
  if (block === undefined || offset + 8 > block.content.length) return 0
  const number = block.content.readDoubleLE(offset)
  return Number.isFinite(number) ? number : 0
}

function parseIds(content: Buffer): string[] {
  const ids: string[] = []
  for (let at = 0; at + idBytes <= content.length; at += idBytes) {
    ids.push(content.toString('latin1', at, at + idBytes))
  }
  return ids
}

function parseHeader(content: Buffer): RecorderHeader | undefined {
  const header = parseJson(content)
  if (!isRecord(header)) return undefined
  const { generation, pid, names, earlier, flights } = header
  if (!isCount(generation) || !isCount(pid) || !isListOf(names, isText)) return undefined
  if (!isListOf(earlier, isNamedCount) || !isRecord(flights)) return undefined
  const { places, bytes } = flights
  if (!isCount(places) || places > flightPlacesMax) return undefined
  if (!isCount(bytes) || bytes > flightBytesMax) return undefined
  return { generation, pid, names, earlier, flights: { places, bytes } }
}

function parseSuspects(content: Buffer): RecordedSuspect[] {
  const suspects = parseJson(content)
  if (!Array.isArray(suspects)) return []
  return suspects.slice(-suspectsMax).flatMap((suspect: unknown) => {
    if (!Array.isArray(suspect)) return []
    const [id, attempts, group] = suspect as unknown[]
    return isText(id) && isCount(attempts) && isCount(group) ? [{ id, attempts, group }] : []
  })
}

function parseJson(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString())
  } catch {
    return undefined
  }
}

function statsOf(booked: BookedStats): PipelineStats {
  return { ...emptyStats(), ...booked }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isNamedCount(value: unknown): value is [string, number] {
  return Array.isArray(value) && isText(value[0]) && Number.isFinite(value[1])
}

function isListOf<T>(value: unknown, isItem: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.every(isItem)
}

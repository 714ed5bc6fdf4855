import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { limits } from '../../core/limits.ts'
import type { Logger } from '../../core/log.ts'
import { bookNames } from '../../pipeline/books.ts'
import type { RecordableCounts, RecordedSuspect, Recorder } from '../../pipeline/recorder.ts'
import { suspectsAfterDeath } from '../../pipeline/suspects.ts'
import { closedBooks, readRecording, type RecorderHeader, type Recording } from './read-recorder.ts'
import {
  BlockBuffer,
  booksSlots,
  flightBytes,
  flightRegion,
  headerSlots,
  idBytes,
  type Region,
  suspectsSlots,
} from './recorder-layout.ts'

/** What a recorder needs to know of its pipeline. */
export interface FileRecorderOptions {
  /** Absolute. Made when it is not there. */
  readonly file: string
  readonly runners: number
  readonly batchSize: number
  /** Of this process. */
  readonly pid: number
  readonly log: Logger
}

/**
 * Records in a file of the state folder, with plain writes into the page cache of the system: they
 * survive SIGKILL of any process at any moment, and cost 2 µs. Without fsync a power cut may take
 * the last ones along, or the file, which then counts as not there.
 */
export class FileRecorder implements Recorder {
  readonly #options: FileRecorderOptions
  readonly #books = new BlockBuffer(bookNames.length * Float64Array.BYTES_PER_ELEMENT)
  readonly #counts: Float64Array
  readonly #flight: BlockBuffer
  readonly #flightBytes: number
  /** Places that hold a batch in the file. */
  readonly #flying = new Set<number>()
  #fd: number | undefined
  #generation = 0
  #booksSequence = 0
  #suspectsSequence = 0
  #hasFailed = false

  constructor(options: FileRecorderOptions) {
    this.#options = options
    const { buffer, byteOffset } = this.#books.content
    this.#counts = new Float64Array(buffer, byteOffset, bookNames.length)
    this.#flight = new BlockBuffer(options.batchSize * idBytes)
    this.#flightBytes = flightBytes(options.batchSize)
  }

  open(): readonly RecordedSuspect[] {
    const { file, log } = this.#options
    const last = readRecording(file)
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
      this.#fd = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600)
      if (last === undefined && fstatSync(this.#fd).size > 0) {
        log.warn('recorder.unreadable', { file, meaning: 'the counts of earlier hosts are lost' })
        ftruncateSync(this.#fd)
      }
    } catch (thrown) {
      this.#failed(thrown)
    }
    const suspects = last === undefined ? [] : suspectsAfterDeath(last.suspects, last.flights)
    const inFlight = last?.flights.flat().length ?? 0
    if (inFlight > 0) {
      log.warn('recorder.suspects', {
        inFlight,
        suspects: suspects.length,
        hostPid: last?.header.pid,
      })
    }
    this.#begin(last, suspects)
    return suspects
  }

  books(counts: RecordableCounts): void {
    if (this.#fd === undefined) return
    counts.fillBooks(this.#counts)
    this.#booksSequence += 1
    const slot = booksSlots[this.#booksSequence % 2] as Region
    this.#write(slot, this.#books.seal(this.#generation, this.#booksSequence))
  }

  flight(place: number, ids: readonly string[]): void {
    if (this.#fd === undefined) return
    const bytes = this.#flight.content.write(ids.join(''), 'latin1')
    const region = flightRegion(place, this.#flightBytes)
    this.#write(region, this.#flight.seal(this.#generation, 0, bytes))
    if (bytes > 0) this.#flying.add(place)
    else this.#flying.delete(place)
  }

  suspects(suspects: readonly RecordedSuspect[]): void {
    this.#suspectsSequence += 1
    const slot = suspectsSlots[this.#suspectsSequence % 2] as Region
    const rows = suspects.map(({ id, attempts, group }) => [id, attempts, group])
    this.#writeJson(slot, this.#suspectsSequence, rows)
  }

  close(): void {
    for (const place of this.#flying) this.flight(place, [])
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  /** The header comes last: until it is there, what the host before has left counts. */
  #begin(last: Recording | undefined, suspects: readonly RecordedSuspect[]): void {
    const { runners, pid } = this.#options
    this.#generation = (last?.header.generation ?? 0) + 1
    // From here on the slots are taken in turns: the newest one is never overwritten.
    this.#suspectsSequence = last?.suspectsSequence ?? 0
    if (suspects.length > 0) this.suspects(suspects)
    const header: RecorderHeader = {
      generation: this.#generation,
      pid,
      names: bookNames,
      earlier: last === undefined ? [] : closedBooks(last),
      flights: {
        // Twice: a runner that is replaced ends its batches beside the fresh one.
        places: 2 * runners * limits.runnerBatchesMax,
        bytes: this.#flightBytes,
      },
    }
    this.#writeJson(headerSlots[this.#generation % 2] as Region, this.#generation, header)
  }

  #writeJson(region: Region, sequence: number, value: unknown): void {
    const content = Buffer.from(JSON.stringify(value))
    const block = new BlockBuffer(content.length)
    content.copy(block.content)
    this.#write(region, block.seal(this.#generation, sequence))
  }

  #write(region: Region, block: Buffer): void {
    if (this.#fd === undefined || block.length > region.bytes) return
    try {
      writeSync(this.#fd, block, 0, block.length, region.offset)
      this.#hasFailed = false
    } catch (thrown) {
      this.#failed(thrown)
    }
  }

  /** Messages go on; only what a death of this host leaves behind is less exact. */
  #failed(thrown: unknown): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    this.#options.log.warn('recorder.unwritable', {
      file: this.#options.file,
      reason: thrown instanceof Error ? thrown.message : String(thrown),
      meaning: 'if this host is killed, its last counts and the attempts of its messages are lost',
    })
  }
}

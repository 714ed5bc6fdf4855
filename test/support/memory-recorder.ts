import assert from 'node:assert/strict'
import { bookNames, type BookedStats, readBooks } from '../../src/pipeline/books.ts'
import type { RecordableCounts, RecordedSuspect, Recorder } from '../../src/pipeline/recorder.ts'
import { suspectsAfterDeath } from '../../src/pipeline/suspects.ts'

/** Records that outlive the pipelines of a test, as the file of a recorder outlives its hosts. */
export class MemoryRecorder implements Recorder {
  readonly #placesMax: number
  readonly #counts = new Float64Array(bookNames.length)
  readonly #flights = new Map<number, readonly string[]>()
  #suspects: readonly RecordedSuspect[] = []
  #isOpen = false
  /** How often the counts were put down. */
  writes = 0

  /** @param placesMax - Batches that may be in flight. */
  constructor(placesMax = Infinity) {
    this.#placesMax = placesMax
  }

  open(): readonly RecordedSuspect[] {
    this.#suspects = suspectsAfterDeath(this.#suspects, [...this.#flights.values()])
    this.#flights.clear()
    this.#counts.fill(0)
    this.#isOpen = true
    return this.#suspects
  }

  books(counts: RecordableCounts): void {
    if (!this.#isOpen) return
    this.writes += 1
    counts.fillBooks(this.#counts)
  }

  flight(place: number, ids: readonly string[]): void {
    if (!this.#isOpen) return
    assert.ok(place >= 0 && place < this.#placesMax, `place ${place}`)
    if (ids.length === 0) this.#flights.delete(place)
    else this.#flights.set(place, ids)
  }

  suspects(suspects: readonly RecordedSuspect[]): void {
    if (this.#isOpen) this.#suspects = suspects
  }

  close(): void {
    this.#flights.clear()
    this.#isOpen = false
  }

  /** Its host was killed: whatever it still calls is not put down. */
  cut(): void {
    this.#isOpen = false
  }

  get inFlight(): string[] {
    return [...this.#flights.values()].flat()
  }

  get recordedSuspects(): readonly RecordedSuspect[] {
    return this.#suspects
  }

  /** The counts of the pipeline that wrote last. */
  get recordedBooks(): BookedStats {
    return readBooks(new Map(bookNames.map((name, i) => [name, this.#counts[i] ?? 0])))
  }
}

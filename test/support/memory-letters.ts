import { EdgebootError } from '../../src/core/errors.ts'
import type {
  DeadLetterStore,
  LetterChanges,
  StoredLetter,
} from '../../src/pipeline/dead-letter.ts'

/** Dead letters in memory, on a disk that fails when the test says so. */
export class MemoryLetters implements DeadLetterStore {
  readonly letters = new Map<number, StoredLetter>()
  readonly wantedSeqs = new Set<number>()
  /** How many of the next commits fail. */
  failures = 0
  commits = 0
  isClosed = false
  readonly itemsMax: number
  #seq = 0

  constructor(itemsMax = Infinity) {
    this.itemsMax = itemsMax
  }

  isThere(): boolean {
    return this.#seq > 0
  }

  write({ added, removed, returned }: LetterChanges): number {
    if (this.failures > 0) {
      this.failures -= 1
      throw new EdgebootError('DEAD_LETTERS_DISK_FULL', 'the disk has no room', {
        details: { where: '/state/dead-letters' },
      })
    }
    this.commits += 1
    for (const seq of removed) this.#forget(seq)
    for (const { seq, ...news } of returned) {
      const letter = this.letters.get(seq)
      if (letter === undefined) continue
      this.letters.set(seq, { ...letter, ...news })
      this.wantedSeqs.delete(seq)
    }
    for (const letter of added) {
      this.#seq += 1
      this.letters.set(this.#seq, { ...letter, seq: this.#seq })
    }
    const excess = [...this.letters.keys()].slice(0, Math.max(this.letters.size - this.itemsMax, 0))
    for (const seq of excess) this.#forget(seq)
    return excess.length
  }

  wanted(itemsMax: number, except: ReadonlySet<number>): readonly StoredLetter[] {
    const seqs = [...this.wantedSeqs].filter((seq) => !except.has(seq)).toSorted((a, b) => a - b)
    return seqs.slice(0, itemsMax).flatMap((seq) => this.letters.get(seq) ?? [])
  }

  close(): void {
    this.isClosed = true
  }

  /** Asks for the replay of all. */
  wantAll(): void {
    for (const seq of this.letters.keys()) this.wantedSeqs.add(seq)
  }

  /** Their payloads as text, oldest first. */
  get texts(): string[] {
    return [...this.letters.values()].map(({ payload }) => new TextDecoder().decode(payload))
  }

  #forget(seq: number): void {
    this.letters.delete(seq)
    this.wantedSeqs.delete(seq)
  }
}

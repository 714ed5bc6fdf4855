import { existsSync } from 'node:fs'
import type { PipelineSettings, Settings } from '../../config/settings.ts'
import { LetterDatabase } from '../../dead-letters/letter-database.ts'
import { readRecordedBooks } from '../../host/recorder/read-recorder.ts'
import { deadLetterKinds } from '../../pipeline/dead-letter.ts'
import type { Drops } from './ledger.ts'
import { markOf, type Mark } from './message-plan.ts'

/** How long a look into the store waits for edgeboot, which writes to it. */
const waitMs = 2000

/** A dead letter of a message of the run. */
export interface MarkedLetter {
  readonly pipeline: string
  readonly mark: Mark
  readonly device: string | undefined
}

/** What edgeboot itself keeps of what became of messages: dead letters and counts, on the disk. */
export class Evidence {
  readonly #pipelines: readonly PipelineSettings[]
  /** Newest letter that was read, by pipeline. */
  readonly #readTo = new Map<string, number>()

  constructor({ pipelines }: Settings) {
    this.#pipelines = pipelines
  }

  /** Dead letters of all pipelines that were not told before. */
  *letters(): Generator<MarkedLetter> {
    for (const { name, deadLetters } of this.#pipelines) {
      const file = deadLetters.store?.file
      if (file === undefined || !existsSync(file)) continue
      const database = new LetterDatabase(file, { access: 'read', waitMs })
      try {
        for (const summary of database.summaries()) {
          if (summary === undefined || summary.seq <= (this.#readTo.get(name) ?? 0)) continue
          this.#readTo.set(name, summary.seq)
          const payload = database.letter(summary.seq)?.payload
          const mark = payload === undefined ? undefined : markOf(payload)
          if (mark !== undefined) yield { pipeline: name, mark, device: summary.device }
        }
      } finally {
        database.close()
      }
    }
  }

  /** What a pipeline counted as dropped, over all kills, and kept no dead letter of. */
  dropsOf(pipeline: string): Drops {
    const settings = this.#pipelines.find(({ name }) => name === pipeline)
    const recorder = settings?.recorder
    const books = recorder === undefined ? undefined : readRecordedBooks(recorder.file)
    if (settings === undefined || books === undefined) return {}
    // Whatever is kept was looked for among the dead letters.
    const kept: readonly string[] = settings.deadLetters.store === undefined ? [] : deadLetterKinds
    return Object.fromEntries(
      Object.entries(books.totals.dropped).filter(
        // What comes again was not dropped.
        ([reason, count]) => count > 0 && reason !== 'unacknowledged' && !kept.includes(reason),
      ),
    )
  }
}

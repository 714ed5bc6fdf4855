import type { ReloadReport, ReloadResult, ReloadView } from './system-view.ts'

/** Remembers how reloads ended. */
export class ReloadJournal implements ReloadView {
  readonly #counts: Record<ReloadResult, number> = { applied: 0, partial: 0, refused: 0 }
  #last: ReloadReport | undefined

  get counts(): Readonly<Record<ReloadResult, number>> {
    return this.#counts
  }

  get last(): ReloadReport | undefined {
    return this.#last
  }

  record(report: ReloadReport): void {
    this.#counts[report.result] += 1
    this.#last = report
  }
}

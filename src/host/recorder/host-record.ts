import type { BookedStats } from '../../pipeline/books.ts'
import type { DeathFacts } from '../../pipeline/trials.ts'
import { readRecording } from './read-recorder.ts'

/** What a host that is gone has left on record. */
export interface HostRecord {
  /** Its own counts: exact for what it has acknowledged. */
  readonly books: BookedStats
  /** Its model was loaded: it has answered an event, or had one. */
  readonly hasServed: boolean
  /** What its death says of its model, and of its messages. */
  readonly death: DeathFacts
}

/** Reads what a host has left; replaced in tests of the supervisor. */
export type ReadHostRecord = (
  file: string,
  pid: number | undefined,
  attemptsMax: number,
) => HostRecord | undefined

/**
 * @param pid - Of the host.
 * @returns `undefined` when that host has not written there, or it cannot be read.
 */
export const readHostRecord: ReadHostRecord = (file, pid, attemptsMax) => {
  const recording = readRecording(file)
  if (recording === undefined || recording.header.pid !== pid) return undefined
  const { host: books, suspects } = recording
  const inFlight = new Set(recording.flights.flat())
  const suspected = suspects.filter(({ id }) => inFlight.has(id))
  const attempts = inFlight.size === 1 ? (suspected[0]?.attempts ?? 0) + 1 : 0
  const { published, spooled, dropped, recovered } = books
  // What was recovered was answered by another.
  const hasAnswered = published + spooled + dropped.empty + dropped.model > Math.max(recovered, 0)
  return {
    books,
    hasServed: hasAnswered || inFlight.size > 0,
    death: {
      hasAnswered,
      wasSuspect: suspected.length > 0,
      othersWait: suspects.length > suspected.length,
      isBlamed: attempts >= attemptsMax,
    },
  }
}

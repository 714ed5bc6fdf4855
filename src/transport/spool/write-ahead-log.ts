/**
 * Looks into the write-ahead log that a killed process left (SQLite's file format, 4). SQLite reads
 * it up to the first frame that is not sound and silently forgets the rest, committed or not: right
 * after a torn write, and a loss after a flipped bit.
 */
import { pageBytes } from './sqlite-pages.ts'

const headerBytes = 32
const frameHeaderBytes = 24
const frameBytes = frameHeaderBytes + pageBytes

/** One page in the log. */
export interface LogFrame {
  readonly pageNumber: number
  /** Shorter than a page where the file ends. */
  readonly page: Buffer
}

/** What is in a log. */
export interface LogInspection {
  /** Frames of the present generation up to the last commit, sound or not, oldest first. */
  readonly frames: readonly LogFrame[]
  /** Those after it: of a commit that was under way, or whose end was cut off. SQLite forgets them. */
  readonly tail: readonly LogFrame[]
  /** Why SQLite would not read all that was committed; `undefined` when it would. */
  readonly problem?: string
}

/** Reads a log as it is on the disk. Never throws, whatever the bytes are. */
export function inspectLog(log: Buffer): LogInspection {
  if (log.length < headerBytes + frameHeaderBytes) return { frames: [], tail: [] }
  const swapped = (log.readUInt32BE(0) & 1) === 0
  let sums = addSums([0, 0], log.subarray(0, 24), swapped)
  const isHeaderSound =
    (log.readUInt32BE(0) & ~1) >>> 0 === 0x377f0682 &&
    log.readUInt32BE(8) === pageBytes &&
    sums[0] === log.readUInt32BE(24) &&
    sums[1] === log.readUInt32BE(28)
  // The first frame is written before all others, so it is always of the present generation.
  const saltsAt = isHeaderSound ? 16 : headerBytes + 8
  const salts = log.subarray(saltsAt, saltsAt + 8)
  const frames: LogFrame[] = []
  let committed = 0
  let problem = isHeaderSound ? undefined : 'its header is damaged'
  for (let at = headerBytes; at + frameHeaderBytes < log.length; at += frameBytes) {
    const header = log.subarray(at, at + frameHeaderBytes)
    if (!isOfGeneration(header, salts)) break
    const page = log.subarray(at + frameHeaderBytes, at + frameBytes)
    frames.push({ pageNumber: header.readUInt32BE(0), page })
    if (page.length < pageBytes) break
    if (header.readUInt32BE(4) !== 0) committed = frames.length
    if (problem !== undefined) continue
    sums = addSums(addSums(sums, header.subarray(0, 8), swapped), page, swapped)
    const isSound =
      header.subarray(8, 16).equals(salts) &&
      sums[0] === header.readUInt32BE(16) &&
      sums[1] === header.readUInt32BE(20)
    if (!isSound) problem = `frame ${frames.length} is damaged`
  }
  const inspection = { frames: frames.slice(0, committed), tail: frames.slice(committed) }
  return problem === undefined ? inspection : { ...inspection, problem }
}

/**
 * Whether a frame was written since the log was last begun anew. Both salts change then, one of
 * them at random; where only one is different, a bit flipped.
 */
function isOfGeneration(header: Buffer, salts: Buffer): boolean {
  return (
    header.readUInt32BE(8) === salts.readUInt32BE(0) ||
    header.readUInt32BE(12) === salts.readUInt32BE(4)
  )
}

type Sums = readonly [number, number]

/** SQLite's checksum of the log, over 32-bit words. */
function addSums(sums: Sums, bytes: Buffer, swapped: boolean): Sums {
  let [first, second] = sums
  for (let at = 0; at < bytes.length; at += 8) {
    const word = swapped ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)
    const following = swapped ? bytes.readUInt32LE(at + 4) : bytes.readUInt32BE(at + 4)
    first = (first + word + second) >>> 0
    second = (second + following + first) >>> 0
  }
  return [first, second]
}

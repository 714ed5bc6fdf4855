import { EdgebootError } from '../core/errors.ts'

/** What is on the disk of a download that did not come to its end. */
export interface PartialFile {
  /** At least 1. */
  readonly bytes: number
  /** Strong entity tag or date of the file of which they are the beginning. */
  readonly validator: string
  /** Of the whole file. */
  readonly total?: number
}

/** What a server says of a file before it sends it. */
export interface AnnouncedFile {
  /** Of the whole file, if it says. */
  readonly total?: number
  /** Absent when the rest of it could not be asked for. */
  readonly validator?: string
  /** Where the body begins: 0 unless the server goes on where the last download ended. */
  readonly startAt: number
}

/** Asks for the rest, if the file is still the same. A whole one is asked for its last byte. */
export function rangeHeaders(partial: PartialFile): Record<string, string> {
  return { range: `bytes=${startOf(partial)}-`, 'if-range': partial.validator }
}

/**
 * Reads what a server announces.
 *
 * @param partial - What the rest was asked for, if it was.
 * @throws `MODEL_DOWNLOAD_REFUSED` for a part that is not the one that was asked for.
 */
export function announcedFile(
  response: Response,
  partial: PartialFile | undefined,
  where: string,
): AnnouncedFile {
  const validator = validatorOf(response)
  const known = validator === undefined ? {} : { validator }
  if (response.status !== 206) {
    const total = announcedBytes(response)
    return { ...known, startAt: 0, ...(total === undefined ? {} : { total }) }
  }
  const text = response.headers.get('content-range') ?? ''
  const [, from, to, whole] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(text) ?? []
  const total = whole === undefined || whole === '*' ? undefined : Number(whole)
  const isHonest =
    partial !== undefined &&
    Number(from) === startOf(partial) &&
    Number(to) >= Number(from) &&
    (total === undefined || Number(to) === total - 1) &&
    (partial.total === undefined || total === undefined || total === partial.total) &&
    (validator === undefined || validator === partial.validator) &&
    isAsLong(response, Number(to) - Number(from) + 1)
  if (!isHonest) {
    const shown = JSON.stringify(text.slice(0, 60))
    const asked = partial === undefined ? 'the whole' : `bytes from ${startOf(partial)} on`
    throw new EdgebootError(
      'MODEL_DOWNLOAD_REFUSED',
      `${where} was asked for ${asked} and sends another part: Content-Range ${shown}`,
      { details: { where } },
    )
  }
  return {
    validator: partial.validator,
    startAt: startOf(partial),
    total: total ?? Number(to) + 1,
  }
}

/** The last byte of a whole file is asked for again: a range must not be empty. */
function startOf({ bytes, total }: PartialFile): number {
  return total === undefined ? bytes : Math.min(bytes, total - 1)
}

/** The announced size, unless the body is encoded: then it counts other bytes than those we see. */
function announcedBytes(response: Response): number | undefined {
  if (isEncoded(response)) return undefined
  const text = response.headers.get('content-length')
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

function isAsLong(response: Response, bytes: number): boolean {
  const announced = announcedBytes(response)
  return !isEncoded(response) && (announced === undefined || announced === bytes)
}

function isEncoded(response: Response): boolean {
  const encoding = response.headers.get('content-encoding')
  return encoding !== null && encoding.toLowerCase() !== 'identity'
}

/** What the rest of the file may be asked for with; a weak tag does not name bytes. */
function validatorOf(response: Response): string | undefined {
  const { headers } = response
  if (isEncoded(response) || headers.get('accept-ranges')?.toLowerCase() === 'none') {
    return undefined
  }
  const tag = headers.get('etag')
  if (tag !== null && tag.length <= 200 && /^"[\x21\x23-\x7e]*"$/.test(tag)) return tag
  const modified = headers.get('last-modified')
  if (tag !== null || modified === null) return undefined
  const age = Date.parse(headers.get('date') ?? '') - Date.parse(modified)
  // Within a second a file may have changed twice, so its date would not tell.
  return age >= 1000 && modified.length <= 40 ? modified : undefined
}

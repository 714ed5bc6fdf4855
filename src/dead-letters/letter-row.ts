import type { DeadLetter, ReturnedLetter, StoredLetter } from '../pipeline/dead-letter.ts'

/** Of an error; what is longer is cut. */
const textCharsMax = 4096
const stackCharsMax = 16 * 1024
/** User properties of a message that are longer, as JSON, are left out. */
const propertiesCharsMax = 64 * 1024

/** A letter as the database has it. */
export interface LetterRow {
  readonly id: string
  readonly died: number
  readonly kind: string
  readonly size: number
  /** JSON of everything that has no column of its own. */
  readonly about: string
  readonly topic: string
  readonly payload: Uint8Array | null
}

/** A letter without its payload. */
export interface LetterSummary extends Omit<StoredLetter, 'payload'> {
  /** Whether the payload was kept: without it, it cannot be replayed. */
  readonly hasPayload: boolean
  /** When somebody asked for a replay that has not come to an end, milliseconds since 1970. */
  readonly wantedAt?: number
}

/**
 * Makes a row of a letter.
 *
 * @param bytesMax - A letter that would be larger goes without its payload.
 */
export function encodeLetter(letter: DeadLetter, bytesMax: number): LetterRow {
  const { id, topic, payload = null, diedAt, error } = letter
  const about = encodeAbout(letter)
  const size = Buffer.byteLength(topic) + Buffer.byteLength(about)
  const whole = size + (payload?.byteLength ?? 0)
  const fits = whole <= bytesMax
  return {
    id,
    died: diedAt,
    kind: error.kind,
    size: fits ? whole : size,
    about,
    topic,
    payload: fits ? payload : null,
  }
}

/** The row of a letter that came back: what is new of it in the place of what was. */
export function encodeReturned(
  before: LetterSummary,
  { error, version, attempts, diedAt }: ReturnedLetter,
): Pick<LetterRow, 'kind' | 'died' | 'about'> {
  const about = encodeAbout({ ...before, error, version, attempts, diedAt })
  return { kind: error.kind, died: diedAt, about }
}

function encodeAbout(letter: Omit<DeadLetter, 'payload'>): string {
  const { rule, func, model, version, device, qos, retain, payloadBytes } = letter
  const { attempts, receivedAt, userProperties, error } = letter
  const { kind: _column, text, stack, ...rest } = error
  const properties = JSON.stringify(userProperties)
  const hasRoom = properties !== undefined && properties.length <= propertiesCharsMax
  return JSON.stringify({
    rule,
    func,
    model,
    version,
    device,
    qos,
    retain,
    payloadBytes,
    attempts,
    receivedAt,
    error: { ...rest, text: cut(text, textCharsMax), stack: stack && cut(stack, stackCharsMax) },
    ...(hasRoom ? { userProperties } : {}),
  })
}

function cut(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax)}…`
}

/** Makes a letter of a row; `undefined` for a row that says nothing any more. */
export function decodeLetter(row: Record<string, unknown>): LetterSummary | undefined {
  const { seq, id, died, kind, about, topic, wanted, payload_kept: kept } = row
  try {
    const facts = JSON.parse(String(about)) as Omit<LetterSummary, 'seq'>
    const { error } = facts
    if (typeof error.text !== 'string' || typeof facts.rule !== 'string') return undefined
    return {
      ...facts,
      seq: Number(seq),
      id: String(id),
      topic: String(topic),
      diedAt: Number(died),
      error: { ...error, kind: kind as LetterSummary['error']['kind'] },
      hasPayload: kept === 1,
      ...(typeof wanted === 'number' ? { wantedAt: wanted } : {}),
    }
  } catch {
    return undefined
  }
}

import { isUtf8 } from 'node:buffer'
import { formatDuration } from '../config/duration.ts'
import type { ArchivedLetter } from '../dead-letters/letter-archive.ts'
import type { LetterSummary } from '../dead-letters/letter-row.ts'
import type { DeadLetterKind, StoredLetter } from '../pipeline/dead-letter.ts'
import { characterWidth } from './display-width.ts'

/** What is shown of a payload unless all of it is asked for. */
const shownBytesMax = 2048
const hexColumns = 16

const kinds: Readonly<Record<DeadLetterKind, { readonly meaning: string; readonly fix: string }>> =
  {
    decode: {
      meaning: 'the payload is no event',
      fix: 'Correct what the sender publishes. As it is, it would be given up again: drop it.',
    },
    model: {
      meaning: 'the handler raised, or returned what JSON cannot hold',
      fix: 'Correct the model at the place that is named, reload, and replay it.',
    },
    deadline: {
      meaning: 'the handler did not answer in time',
      fix: 'Make the model faster or its timeout longer, reload, and replay it.',
    },
    crash: {
      meaning: 'the runner died with it',
      fix: 'The log says at runner.lost what it died of. Correct the model, reload, and replay it.',
    },
    topic: {
      meaning: 'pub.topic gives no topic for its result',
      fix: 'Correct pub.topic, reload, and replay it.',
    },
    'too-large': {
      meaning: 'its result is larger than MQTT allows or the output broker takes',
      fix: 'Let the model answer less, or the broker take more, and replay it.',
    },
    refused: {
      meaning: 'the output broker refuses its result',
      fix: 'Correct the access rules of the broker or pub.topic, and replay it.',
    },
  }

/** A text that cannot steer the terminal that it is shown on. */
export function printable(text: string, keep: RegExp = /(?!)/): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, (character) =>
    keep.test(character) ? character : ' ',
  )
}

/** Such as `5m` or `3h`: the largest unit of which there is one. */
export function ageText(ms: number): string {
  const units = [86_400_000, 3_600_000, 60_000, 1000]
  const unit = units.find((unitMs) => ms >= unitMs)
  if (unit === undefined) return '0s'
  const whole = formatDuration(Math.floor(ms / unit) * unit)
  return unit === 86_400_000 ? `${Math.floor(ms / unit)}d` : whole
}

/** Cuts a text to so many columns of a terminal, with `…` where something is missing. */
export function fit(text: string, columns: number): string {
  let width = 0
  let end = 0
  for (const character of text) {
    const next = width + characterWidth(character)
    if (next > columns - 1 && end + character.length < text.length) return `${text.slice(0, end)}…`
    if (next > columns) return `${text.slice(0, end)}…`
    width = next
    end += character.length
  }
  return text
}

/**
 * A letter in two lines: id, age, kind, rule and func, topic; and the error.
 *
 * @param columns - Of the terminal; `Infinity` cuts nothing.
 */
export function letterLines(letter: ArchivedLetter, now: number, columns: number): string[] {
  const { id, diedAt, error, rule, func, topic, wantedAt } = letter
  const owner = rule === func ? rule : `${rule}/${func}`
  const head = `${id}  ${ageText(now - diedAt).padStart(4)}  ${error.kind.padEnd(9)}  `
  const place = columns === Infinity ? owner : fit(owner, 20).padEnd(20)
  const mark = wantedAt === undefined ? '' : '(to be replayed) '
  return [
    fit(`${head}${printable(place)}  ${printable(topic)}`, columns),
    fit(`${' '.repeat(16)}${mark}${errorText(error)}`, columns),
  ]
}

function errorText({ kind, code, text, where }: LetterSummary['error']): string {
  const place = where === undefined ? '' : ` (${where})`
  return printable(`${code === kind ? '' : `${code}: `}${text}${place}`)
}

/** All that is known of a letter, and what to do about it. */
export function letterDetails(
  letter: StoredLetter & LetterSummary,
  options: { readonly now: number; readonly isFull: boolean },
): string {
  const { error, attempts, userProperties, device, diedAt, receivedAt, wantedAt } = letter
  const { meaning, fix } = kinds[error.kind]
  const tries = attempts === 1 ? '1 attempt' : `${attempts} attempts`
  const flags = `qos ${letter.qos}${letter.retain ? ', kept by the broker' : ''}`
  const rows: [string, string | undefined][] = [
    ['rule, func', `${letter.rule}, ${letter.func}`],
    ['model', `${letter.model}, version ${letter.version}`],
    ['topic', `${letter.topic} (${flags})`],
    ['device', device],
    ['received', new Date(receivedAt).toISOString()],
    ['given up', `${new Date(diedAt).toISOString()}, ${ageText(options.now - diedAt)} ago`],
    ['tried', attempts === 0 ? 'the model never saw it' : tries],
    ['kind', `${error.kind}: ${meaning}`],
    ['error', errorText({ kind: error.kind, code: error.code, text: error.text })],
    ['where', error.where],
    ['properties', userProperties === undefined ? undefined : JSON.stringify(userProperties)],
    ['replay', wantedAt === undefined ? undefined : 'asked for; not over yet'],
  ]
  const lines = rows.flatMap(([name, value]) =>
    value === undefined ? [] : [`  ${name.padEnd(12)}${printable(value)}`],
  )
  const stack = error.stack === undefined ? [] : ['', 'stack', indent(printable(error.stack, /\n/))]
  return [
    `dead letter ${letter.id}`,
    ...lines,
    ...stack,
    '',
    ...payloadLines(letter, options.isFull),
    '',
    'what to do',
    ...whatToDo(letter, fix),
  ].join('\n')
}

function whatToDo({ id, payload }: StoredLetter, fix: string): string[] {
  if (payload === undefined) {
    return [`  The payload was not kept: it cannot be replayed.`, `  edgeboot dlq drop ${id}`]
  }
  return [`  ${fix}`, `  edgeboot dlq replay ${id}`, `  edgeboot dlq drop ${id}`]
}

function payloadLines({ payload, payloadBytes }: StoredLetter, isFull: boolean): string[] {
  const bytes = `${payloadBytes} ${payloadBytes === 1 ? 'byte' : 'bytes'}`
  if (payload === undefined) return [`payload (${bytes}): not kept, it was too large`]
  const isText = isUtf8(payload)
  const json = isText ? prettyJson(payload) : undefined
  const kind = json === undefined ? (isText ? 'text' : 'binary') : 'JSON'
  const text = json ?? (isText ? new TextDecoder().decode(payload) : hexDump(payload, isFull))
  const isCut = !isFull && (isText ? text.length : payload.byteLength) > shownBytesMax
  const shown = isText && isCut ? text.slice(0, shownBytesMax) : text
  const more = isCut ? ['  … (--full shows all of it)'] : []
  return [`payload (${bytes}, ${kind})`, indent(printable(shown, /[\n\t]/)), ...more]
}

function prettyJson(payload: Uint8Array): string | undefined {
  try {
    return JSON.stringify(JSON.parse(new TextDecoder().decode(payload)), undefined, 2)
  } catch {
    return undefined
  }
}

function hexDump(payload: Uint8Array, isFull: boolean): string {
  const lines: string[] = []
  const end = isFull ? payload.byteLength : Math.min(payload.byteLength, shownBytesMax / 8)
  for (let at = 0; at < end; at += hexColumns) {
    const row = [...payload.subarray(at, Math.min(at + hexColumns, end))]
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'))
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex.padEnd(47)}  ${text.join('')}`)
  }
  return lines.join('\n')
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ')
}

import type { EventPath } from '../../models/model-manifest.ts'

/** Steps of one path; a message that is nested deeper is refused anyway. */
export const pathStepsMax = 64
/** One path as it is written. */
export const pathCharsMax = 1024
/** Largest index of a list: a message has no more bytes. */
const indexMax = 2 ** 23

/** Steps, or why a text is no path: a clause that follows the text, and the character it is about. */
export type ReadPath =
  | { readonly steps: EventPath }
  | { readonly fault: string; readonly offset: number; readonly suggestion?: string }

/** A key without quotes: letters and digits of any script, `_`, `-`, `$`, `@`. */
const word = /[\p{L}\p{N}_$@][\p{L}\p{M}\p{N}_$@-]*/uy
const index = /\[\s*(\d{1,10})\s*\]/y
const doubleQuoted = /\[\s*("(?:[^"\\]|\\.)*")\s*\]/uy
const singleQuoted = /\[\s*'([^']*)'\s*\]/uy

/**
 * Reads a path into an event: `telemetry.temperature`, `telemetry["flow rate"]`,
 * `telemetry.spectrum[3]`. Single quotes do as well.
 */
export function readEventPath(text: string): ReadPath {
  if (text.length > pathCharsMax) {
    return { fault: `is longer than ${pathCharsMax} characters`, offset: 0 }
  }
  const steps: (string | number)[] = []
  let at = 0
  while (at < text.length || steps.length === 0) {
    const step = nextStep(text, at, steps.length === 0)
    if ('fault' in step) return step
    if (steps.length === pathStepsMax) {
      return { fault: `has more than ${pathStepsMax} steps`, offset: at }
    }
    steps.push(step.step)
    at = step.end
  }
  return { steps }
}

type ReadStep =
  | { readonly step: string | number; readonly end: number }
  | Extract<ReadPath, { fault: string }>

function nextStep(text: string, at: number, first: boolean): ReadStep {
  const bracket = text[at] === '['
  if (bracket) return bracketStep(text, at)
  const isDotted = text[at] === '.'
  if (isDotted === first) return unreadable(text, at)
  const start = first ? at : at + 1
  const key = matchAt(word, text, start)?.[0]
  if (key === undefined) return unreadable(text, start)
  if (/^\d+$/.test(key)) {
    const suggestion = `write [${key}] for an item of a list, ["${key}"] for a key`
    return { fault: `has the number ${key} where a key is expected`, offset: start, suggestion }
  }
  return checked(key, start, start + key.length)
}

function bracketStep(text: string, at: number): ReadStep {
  const number = matchAt(index, text, at)
  if (number !== null) {
    const step = Number(number[1])
    if (step > indexMax) return { fault: `has an index above ${indexMax}`, offset: at }
    return { step, end: at + number[0].length }
  }
  const single = matchAt(singleQuoted, text, at)
  if (single !== null) return checked(single[1] ?? '', at, at + single[0].length)
  const double = matchAt(doubleQuoted, text, at)
  const key = double === null ? undefined : unquoted(double[1] ?? '')
  if (double === null || key === undefined) return unreadable(text, at)
  return checked(key, at, at + double[0].length)
}

function checked(key: string, offset: number, end: number): ReadStep {
  if (key === '__proto__') return { fault: 'has __proto__, which is no key of a message', offset }
  return { step: key, end }
}

function unquoted(text: string): string | undefined {
  try {
    const key: unknown = JSON.parse(text)
    return typeof key === 'string' ? key : undefined
  } catch {
    return undefined
  }
}

function unreadable(text: string, offset: number): ReadStep {
  const suggestion = 'such as telemetry.temperature, telemetry["flow rate"] or telemetry.values[3]'
  const found = text[offset] === undefined ? 'ends too early' : 'cannot be read'
  const where =
    text[offset] === undefined ? '' : ` from ${JSON.stringify(text.slice(offset, offset + 20))} on`
  return { fault: `${found}${where}`, offset, suggestion }
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(text)
}

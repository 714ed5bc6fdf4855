import { EdgebootError } from '../core/errors.ts'

/** A token of a Python expression; `offset` counts characters of the expression from 0. */
export type PythonToken =
  | { readonly kind: 'string'; readonly value: string; readonly offset: number }
  | {
      readonly kind: 'number'
      readonly value: number
      readonly text: string
      readonly offset: number
    }
  /** A name, a keyword or an operator, as written. */
  | { readonly kind: 'name' | 'operator' | 'end'; readonly text: string; readonly offset: number }

/** Longer expressions are refused: those of pyboot are a few dozen characters. */
const expressionCharsMax = 10_000

/**
 * What is refused in a Python expression, with the place.
 *
 * @param reason - Goes on from "the expression …".
 */
export function refuse(expression: string, offset: number, reason: string): EdgebootError {
  const message = `the expression ${reason}\n  ${oneLine(expression)}\n  ${' '.repeat(offset)}^`
  return new EdgebootError('CONFIG_INVALID', message, {
    details: { offset, reason },
    fix: 'Write the condition in CEL with `when`; docs/configuration.md shows how.',
  })
}

function oneLine(expression: string): string {
  return expression.replaceAll(/\s/g, ' ')
}

const operators = /==|!=|<=|>=|<|>|\[|\]|\(|\)|,|-|\+|\.|:|[^\s\w]/y
const name = /[\p{L}_][\p{L}\p{N}_]*/uy
const number =
  /(?:0[xX](?:_?[\da-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|(?:\d(?:_?\d)*)?\.\d(?:_?\d)*(?:[eE][+-]?\d+)?|\d(?:_?\d)*(?:\.(?:\d(?:_?\d)*)?)?(?:[eE][+-]?\d+)?)/y

/**
 * Splits a Python expression into tokens.
 *
 * @throws EdgebootError `CONFIG_INVALID` for what Python itself would refuse, and for kinds of
 * literals that no pyboot condition needs.
 */
export function tokenizePython(expression: string): PythonToken[] {
  if (expression.length > expressionCharsMax) {
    throw refuse(expression.slice(0, 80), 0, `is longer than ${expressionCharsMax} characters`)
  }
  const tokens: PythonToken[] = []
  let offset = 0
  while (offset < expression.length) {
    const character = expression.charAt(offset)
    if (/\s/.test(character)) {
      offset += 1
      continue
    }
    const token = nextToken(expression, offset, character)
    tokens.push(token.token)
    offset = token.end
  }
  tokens.push({ kind: 'end', text: 'the end', offset })
  return tokens
}

interface Scanned {
  readonly token: PythonToken
  readonly end: number
}

function nextToken(expression: string, offset: number, character: string): Scanned {
  if (character === "'" || character === '"') return scanString(expression, offset)
  if (/[\d.]/.test(character)) {
    const text = match(number, expression, offset)
    if (text !== undefined) return scanNumber(expression, offset, text)
  }
  const word = match(name, expression, offset)
  if (word !== undefined) {
    const end = offset + word.length
    if (/["']/.test(expression.charAt(end)) && /^(?:[bfru]|br|rb|fr|rf)$/i.test(word)) {
      throw refuse(
        expression,
        offset,
        `has a string with the prefix ${word}, which is not supported`,
      )
    }
    return { token: { kind: 'name', text: word, offset }, end }
  }
  const text = match(operators, expression, offset)
  if (text === undefined) {
    throw refuse(expression, offset, `has an unexpected character: ${JSON.stringify(character)}`)
  }
  return { token: { kind: 'operator', text, offset }, end: offset + text.length }
}

function match(pattern: RegExp, text: string, offset: number): string | undefined {
  pattern.lastIndex = offset
  return pattern.exec(text)?.[0]
}

function scanNumber(expression: string, offset: number, text: string): Scanned {
  const end = offset + text.length
  const value = Number(text.replaceAll('_', ''))
  if (/[\p{L}_]/u.test(expression.charAt(end))) {
    throw refuse(
      expression,
      offset,
      `has a number that is not supported: ${text}${expression.charAt(end)}`,
    )
  }
  if (/^0\d/.test(text) && /^[\d_]+$/.test(text) && value !== 0) {
    throw refuse(expression, offset, `has a number with a leading zero: ${text}`)
  }
  const isWhole = !/[.eE]/.test(text) || /^0[xX]/.test(text)
  if (!Number.isFinite(value) || (isWhole && !Number.isSafeInteger(value))) {
    throw refuse(expression, offset, `has a number that is too large to compare exactly: ${text}`)
  }
  return { token: { kind: 'number', value, text, offset }, end }
}

const plainEscapes: Readonly<Record<string, string>> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\n': '',
}

const codeEscape = /x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})/y

function scanString(expression: string, start: number): Scanned {
  const quote = expression.charAt(start)
  if (expression.startsWith(quote.repeat(3), start)) {
    throw refuse(expression, start, 'has a string in triple quotes, which is not supported')
  }
  let value = ''
  for (let offset = start + 1; offset < expression.length; offset++) {
    const character = expression.charAt(offset)
    if (character === quote) {
      return { token: { kind: 'string', value, offset: start }, end: offset + 1 }
    }
    if (character === '\n') break
    if (character !== '\\') {
      value += character
      continue
    }
    const escape = scanEscape(expression, offset)
    value += escape.value
    offset += escape.length
  }
  throw refuse(expression, start, `has a string without its closing ${quote}`)
}

/** `length` counts what follows the backslash. */
function scanEscape(expression: string, offset: number): { value: string; length: number } {
  const next = expression.charAt(offset + 1)
  const plain = Object.hasOwn(plainEscapes, next) ? plainEscapes[next] : undefined
  if (plain !== undefined) return { value: plain, length: 1 }
  codeEscape.lastIndex = offset + 1
  const found = codeEscape.exec(expression)
  if (found !== null) {
    const octal = found[4]
    const hex = found[1] ?? found[2] ?? found[3] ?? '0'
    const code = octal === undefined ? Number.parseInt(hex, 16) : Number.parseInt(octal, 8)
    if (code > 0x10ffff) throw refuse(expression, offset, 'has an escape beyond U+10FFFF')
    return { value: String.fromCodePoint(code), length: found[0].length }
  }
  if (/[xuUN]/.test(next)) throw refuse(expression, offset, `has a bad escape: \\${next}`)
  // Python keeps the backslash of an escape that it does not know.
  return { value: '\\', length: 0 }
}

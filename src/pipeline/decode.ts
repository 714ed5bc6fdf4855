import { isUtf8 } from 'node:buffer'
import { limits } from '../core/limits.ts'

/** What is wrong with a payload that is no event. */
export type DecodeFault = 'too-large' | 'not-utf8' | 'not-json' | 'too-deep' | 'prototype-key'

/** A payload, understood or refused. */
export type Decoded =
  | { readonly ok: true; readonly event: unknown }
  | { readonly ok: false; readonly fault: DecodeFault; readonly detail: string }

/**
 * Reads one payload as JSON in UTF-8 (RFC 8259), and refuses what could hurt whoever comes next:
 * more than `limits.payloadBytesMax` bytes, nesting deeper than `limits.jsonDepthMax` (Python's
 * parser and every recursive walk would overflow), and keys named `__proto__`. `NaN` and
 * `Infinity` are not JSON, though Python writes them. Never throws.
 */
export function decodePayload(payload: Uint8Array): Decoded {
  if (payload.byteLength > limits.payloadBytesMax) return tooLarge(payload.byteLength)
  if (!isUtf8(payload)) return refuse('not-utf8', `${payload.byteLength} bytes that are not UTF-8`)
  // A value nested n deep takes n opening and n closing bytes: short payloads need no scan.
  if (payload.byteLength > 2 * limits.jsonDepthMax && nestsTooDeep(payload)) {
    return refuse('too-deep', `nested deeper than ${limits.jsonDepthMax}`)
  }
  const text = asBuffer(payload).toString('utf8')
  let event: unknown
  try {
    event = JSON.parse(text)
  } catch (error) {
    return refuse('not-json', describeSyntax(error, payload.byteLength))
  }
  // The key can also be spelled with escapes; both cases are rare enough for a walk.
  if ((text.includes('__proto__') || text.includes('\\u')) && hasPrototypeKey(event)) {
    return refuse('prototype-key', 'a key named __proto__')
  }
  return { ok: true, event }
}

/** The verdict on a payload that is too large, also on one that was not even kept. */
export function tooLarge(bytes: number): Decoded {
  return refuse('too-large', `${bytes} bytes, limit ${limits.payloadBytesMax}`)
}

function refuse(fault: DecodeFault, detail: string): Decoded {
  return { ok: false, fault, detail }
}

function asBuffer(payload: Uint8Array): Buffer {
  return Buffer.isBuffer(payload)
    ? payload
    : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
}

const quote = 0x22
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

function nestsTooDeep(payload: Uint8Array): boolean {
  let depth = 0
  let inString = false
  for (let i = 0; i < payload.length; i++) {
    const byte = payload[i]
    if (inString) {
      if (byte === backslash) i += 1
      else if (byte === quote) inString = false
    } else if (byte === quote) {
      inString = true
    } else if (byte === openBracket || byte === openBrace) {
      depth += 1
      if (depth > limits.jsonDepthMax) return true
    } else if (byte === closeBracket || byte === closeBrace) {
      depth -= 1
    }
  }
  return false
}

function hasPrototypeKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.some(hasPrototypeKey)
  return Object.entries(value).some(([key, inner]) => key === '__proto__' || hasPrototypeKey(inner))
}

/** V8 quotes a piece of the text in its message; a payload has no place in a log. */
function describeSyntax(error: unknown, bytes: number): string {
  if (bytes === 0) return 'an empty payload'
  const message = error instanceof Error ? error.message : ''
  const position = /at position (\d+)/.exec(message)
  if (position !== null) return `not JSON from position ${position[1]} of ${bytes} bytes on`
  return /end of JSON/.test(message) ? `JSON cut short after ${bytes} bytes` : 'not JSON'
}

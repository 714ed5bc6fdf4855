/**
 * As much of protobuf's wire format as it takes to look into a model file and to change one part of
 * it: fields of a message one after the other, without copies. Every length is held against what
 * there is, nothing recurses, and nothing is allocated that a file merely claims.
 */

/** Bytes that are no message. */
export class WireError extends Error {
  override readonly name = 'WireError'
}

/** How the payload of a field is written. */
export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/** One field of a message. */
export interface WireField {
  readonly number: number
  readonly type: number
  /** The whole field, its tag included. */
  readonly whole: Uint8Array
  /** What is in it: a message, a text, packed numbers, or the bytes of a varint. */
  readonly payload: Uint8Array
}

const varintBytesMax = 10

/**
 * The fields of a message in their order.
 *
 * @throws WireError
 */
export function* fieldsOf(message: Uint8Array): Generator<WireField, void, undefined> {
  let at = 0
  while (at < message.length) {
    const tagEnd = varintEnd(message, at)
    const tag = smallNumber(message.subarray(at, tagEnd))
    const type = tag % 8
    const number = Math.floor(tag / 8)
    if (number === 0) throw new WireError(`a field has the number 0 at byte ${at}`)
    const { start, end } = payloadAt(message, tagEnd, type)
    yield { number, type, whole: message.subarray(at, end), payload: message.subarray(start, end) }
    at = end
  }
}

function payloadAt(
  message: Uint8Array,
  at: number,
  type: number,
): { readonly start: number; readonly end: number } {
  switch (type) {
    case wireTypes.varint:
      return { start: at, end: varintEnd(message, at) }
    case wireTypes.fixed64:
      return { start: at, end: within(message, at, 8) }
    case wireTypes.fixed32:
      return { start: at, end: within(message, at, 4) }
    case wireTypes.bytes: {
      const start = varintEnd(message, at)
      return { start, end: within(message, start, smallNumber(message.subarray(at, start))) }
    }
    default:
      throw new WireError(`a field has the unknown type ${type} before byte ${at}`)
  }
}

function within(message: Uint8Array, start: number, bytes: number): number {
  if (bytes <= message.length - start) return start + bytes
  const left = message.length - start
  throw new WireError(`a field claims ${bytes} bytes at byte ${start}, where ${left} are left`)
}

function varintEnd(message: Uint8Array, start: number): number {
  for (let at = start; at < message.length && at < start + varintBytesMax; at++) {
    if ((message[at] ?? 0) < 0x80) return at + 1
  }
  throw new WireError(`a number has no end at byte ${start}`)
}

/** Exact as far as doubles are; more is beyond any length. */
function smallNumber(varint: Uint8Array): number {
  let value = 0
  for (let at = varint.length - 1; at >= 0; at--) value = value * 128 + ((varint[at] ?? 0) & 0x7f)
  return value
}

/** All varints of a field, packed or not, as signed integers of 64 bits. */
export function integersOf({ type, payload }: WireField): bigint[] {
  if (type !== wireTypes.varint && type !== wireTypes.bytes) {
    throw new WireError('a field of integers holds something else')
  }
  const values: bigint[] = []
  for (let at = 0; at < payload.length;) {
    const end = varintEnd(payload, at)
    let value = 0n
    for (let i = end - 1; i >= at; i--) value = (value << 7n) | BigInt((payload[i] ?? 0) & 0x7f)
    values.push(BigInt.asIntN(64, value))
    at = end
  }
  return values
}

/** A text of a field. */
export function textOf({ type, payload }: WireField): string {
  if (type !== wireTypes.bytes) throw new WireError('a field of text holds something else')
  return Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString()
}

/** A field with a message or a text in it. */
export function bytesField(number: number, payload: Uint8Array | string): Buffer {
  const bytes = Buffer.from(payload)
  return Buffer.concat([varint(number * 8 + wireTypes.bytes), varint(bytes.length), bytes])
}

/** A field with a number that is not negative. */
export function numberField(number: number, value: number): Buffer {
  return Buffer.concat([varint(number * 8 + wireTypes.varint), varint(value)])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 128) | 0x80)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return Buffer.from(bytes)
}

/** The bodies of `infer` and `result` frames; see `frame.ts` for their layout. */
import { limits } from '../core/limits.ts'
import { decodeJsonBody, frameHeaderBytes, protocolError } from './frame.ts'
import type { InferItem, InferOutcome, ModelError } from './runner.ts'

const status = { empty: 0, value: 1, error: 2 } as const
const inferHeaderBytes = 8
const resultHeaderBytes = 12

/** One result. A larger one is an error of the model, so that it never breaks a frame. */
export const resultBytesMax = limits.frameBytesMax / 2
/** A runner sends what it has at the latest when it holds this much. */
export const flushBytes = 1024 * 1024
/** A runner sends what it has after an event when its last sending is longer ago than this. */
export const flushAfterMs = 5

/** A batch as a runner gets it. */
export interface InferBatch {
  readonly batchId: number
  /** Views on the body. */
  readonly items: readonly InferItem[]
}

/** A stretch of a batch's outcomes as it comes back. */
export interface ResultPiece {
  readonly batchId: number
  /** Index in the batch of the first outcome. */
  readonly first: number
  /** Payloads are views on the body. */
  readonly outcomes: readonly InferOutcome[]
}

/**
 * Body of an `infer`, in a buffer of its own that can be transferred to a thread.
 *
 * @param options.roomForHeader - Leaves the bytes of a frame header free at the front.
 */
export function encodeInfer(
  batchId: number,
  items: readonly InferItem[],
  options: { roomForHeader?: boolean } = {},
): Buffer {
  const start = options.roomForHeader ? frameHeaderBytes : 0
  let bytes = start + inferHeaderBytes + items.length * 8
  for (const item of items) bytes += item.context.length + item.event.length
  const body = Buffer.allocUnsafeSlow(bytes)
  body.writeUInt32BE(batchId, start)
  body.writeUInt32BE(items.length, start + 4)
  let sizeAt = start + inferHeaderBytes
  let at = sizeAt + items.length * 8
  for (const item of items) {
    body.writeUInt32BE(item.context.length, sizeAt)
    body.writeUInt32BE(item.event.length, sizeAt + 4)
    sizeAt += 8
    body.set(item.context, at)
    at += item.context.length
    body.set(item.event, at)
    at += item.event.length
  }
  return body
}

/**
 * Reads the body of an `infer`.
 *
 * @throws RUNNER_PROTOCOL when its sizes do not add up.
 */
export function decodeInfer(bytes: Uint8Array): InferBatch {
  const body = asBuffer(bytes)
  if (body.length < inferHeaderBytes) throw protocolError('an infer without its header')
  const count = body.readUInt32BE(4)
  let sizeAt = inferHeaderBytes
  let at = sizeAt + count * 8
  if (at > body.length) throw protocolError(`an infer announces ${count} items and has no room`)
  const items: InferItem[] = []
  for (let i = 0; i < count; i++, sizeAt += 8) {
    const eventAt = at + body.readUInt32BE(sizeAt)
    const end = eventAt + body.readUInt32BE(sizeAt + 4)
    if (end > body.length) throw protocolError(`item ${i} of an infer ends beyond the body`)
    items.push({ context: body.subarray(at, eventAt), event: body.subarray(eventAt, end) })
    at = end
  }
  if (at !== body.length) throw protocolError('an infer has bytes that belong to no item')
  return { batchId: body.readUInt32BE(0), items }
}

/** Body of a `result`, in a buffer of its own that can be transferred to a thread. */
export function encodeResult(piece: ResultPiece): Buffer {
  const { outcomes } = piece
  const payloads = outcomes.map(payloadOf)
  let bytes = resultHeaderBytes + outcomes.length * 5
  for (const payload of payloads) bytes += payload.length
  const body = Buffer.allocUnsafeSlow(bytes)
  body.writeUInt32BE(piece.batchId, 0)
  body.writeUInt32BE(piece.first, 4)
  body.writeUInt32BE(outcomes.length, 8)
  let sizeAt = resultHeaderBytes
  let at = sizeAt + outcomes.length * 5
  for (const [i, outcome] of outcomes.entries()) {
    const payload = payloads[i] ?? nothing
    body.writeUInt8(status[outcome.kind], sizeAt)
    body.writeUInt32BE(payload.length, sizeAt + 1)
    sizeAt += 5
    body.set(payload, at)
    at += payload.length
  }
  return body
}

/**
 * Reads the body of a `result`.
 *
 * @throws RUNNER_PROTOCOL when its sizes do not add up or an error in it is not one.
 */
export function decodeResult(bytes: Uint8Array): ResultPiece {
  const body = asBuffer(bytes)
  if (body.length < resultHeaderBytes) throw protocolError('a result without its header')
  const count = body.readUInt32BE(8)
  let sizeAt = resultHeaderBytes
  let at = sizeAt + count * 5
  if (at > body.length) throw protocolError(`a result announces ${count} items and has no room`)
  const outcomes: InferOutcome[] = []
  for (let i = 0; i < count; i++, sizeAt += 5) {
    const end = at + body.readUInt32BE(sizeAt + 1)
    if (end > body.length) throw protocolError(`item ${i} of a result ends beyond the body`)
    outcomes.push(decodeOutcome(body.readUInt8(sizeAt), body.subarray(at, end)))
    at = end
  }
  if (at !== body.length) throw protocolError('a result has bytes that belong to no item')
  return { batchId: body.readUInt32BE(0), first: body.readUInt32BE(4), outcomes }
}

const nothing = new Uint8Array(0)

function payloadOf(outcome: InferOutcome): Uint8Array {
  if (outcome.kind === 'value') return outcome.payload
  if (outcome.kind === 'empty') return nothing
  return Buffer.from(JSON.stringify(outcome.error))
}

function decodeOutcome(code: number, payload: Uint8Array): InferOutcome {
  if (code === status.value) return { kind: 'value', payload }
  if (code === status.error) return { kind: 'error', error: decodeModelError(payload) }
  if (code !== status.empty) throw protocolError(`an item of a result has the status ${code}`)
  if (payload.length > 0) throw protocolError('an empty item of a result has bytes')
  return { kind: 'empty' }
}

function decodeModelError(payload: Uint8Array): ModelError {
  const { type, message, where, traceback } = decodeJsonBody(payload)
  if (typeof type !== 'string' || typeof message !== 'string') {
    throw protocolError('a model error has no type or no message')
  }
  return {
    type,
    message,
    ...(typeof where === 'string' ? { where } : {}),
    ...(typeof traceback === 'string' ? { traceback } : {}),
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

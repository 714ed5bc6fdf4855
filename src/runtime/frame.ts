/**
 * The frame protocol between a host and a runner. Pure: bytes in, bytes out.
 * `docs/runner-protocol.md` says the same to who writes a runner.
 *
 * A process runner reads frames on descriptor 3 and writes them on descriptor 4, so that nothing
 * that a model prints can be taken for an answer. All numbers are big-endian:
 *
 * ```
 * frame    u32 length | u8 type | body                       length = bytes after itself
 *
 * to a runner
 *   start   1    JSON {protocol, pipeline, rule, model, params, resultBytesMax, memoryBytesMax?}
 *   infer   2    u32 batchId | u32 count | count × (u32 contextBytes, u32 eventBytes) | bytes…
 *   drain   3    empty: answer what was sent before, then exit
 *
 * from a runner
 *   ready   129  JSON {engine, pid?, signature?}
 *   failed  130  JSON {kind, message, where?, traceback?}    the model could not be loaded
 *   result  131  u32 batchId | u32 first | u32 count | count × (u8 status, u32 bytes) | bytes…
 *   log     132  JSON {level, event, fields}
 * ```
 *
 * `bytes…` of an `infer` are, item after item, the context and the event as they came: raw JSON,
 * spliced in, never parsed by the host. `status` is 0 empty, 1 value (the raw payload, published as
 * it is), 2 error (JSON {@link ModelError}). A batch is answered by one `result` or by several
 * whose ranges follow each other without gaps.
 *
 * Beside the frames, on descriptor 6, is a file of two words in which a runner marks the event that it
 * is on (`progress-mark.ts`); it is read when the runner has died.
 *
 * Threads use the bodies of `infer` and `result` alone, one transferred buffer for each. Frames with
 * JSON in them also go between the main process and a host (`host/host-channel.ts`).
 */
import { EdgebootError } from '../core/errors.ts'

/** Version of the protocol, as `start` tells it: more only when an old runner could not go on. */
export const protocolVersion = 1

/** Frames that a host sends. */
export const toRunner = { start: 1, infer: 2, drain: 3 } as const
/** Frames that a runner sends. */
export const fromRunner = { ready: 129, failed: 130, result: 131, log: 132 } as const

/** Bytes before the body of a frame. */
export const frameHeaderBytes = 5

/** Writes length and type in front of a body that is already in place after them. */
export function writeFrameHeader(frame: Buffer, type: number): void {
  frame.writeUInt32BE(frame.length - 4, 0)
  frame.writeUInt8(type, 4)
}

/** A whole frame around a body. */
export function encodeFrame(type: number, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + body.length)
  frame.set(body, frameHeaderBytes)
  writeFrameHeader(frame, type)
  return frame
}

/** A whole frame around a value as JSON. */
export function encodeJsonFrame(type: number, value: unknown): Buffer {
  return encodeFrame(type, Buffer.from(JSON.stringify(value)))
}

/** Makes the error of what the protocol does not allow. */
export type FrameFault = (what: string, cause?: unknown) => EdgebootError

/**
 * The JSON object in the body of a frame.
 *
 * @throws RUNNER_PROTOCOL when it is none, or what `fault` makes.
 */
export function decodeJsonBody(
  body: Uint8Array,
  fault: FrameFault = protocolError,
): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (cause) {
    throw fault('a frame that should hold JSON does not', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fault('a frame that should hold a JSON object holds something else')
  }
  return value as Record<string, unknown>
}

/** What a runner did that the protocol does not allow, as the error that ends it. */
export function protocolError(what: string, cause?: unknown): EdgebootError {
  return new EdgebootError('RUNNER_PROTOCOL', `the runner broke the frame protocol: ${what}`, {
    cause,
  })
}

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { EdgebootError } from '../core/errors.ts'
import type { FileDigests } from './digest.ts'

/** What a stream of bytes is held to. */
export interface StreamBounds {
  /** More is `MODEL_PACKAGE_TOO_LARGE`. */
  readonly bytesMax: number
  /** For the message: what is read, without credentials. */
  readonly where: string
  readonly signal?: AbortSignal
  /** Called with all bytes so far after every chunk. */
  readonly onBytes?: (bytes: number) => void
}

/**
 * Writes a stream to a file and hashes it on the way, a chunk at a time.
 *
 * @param startAt - Bytes of the file that are kept, and hashed first; the stream follows them. With 0
 * the file is made anew.
 *
 * @throws `MODEL_PACKAGE_TOO_LARGE`, what the stream throws, and errors of the file system as
 * they are. The file is left behind then: it lies in a folder that its owner removes.
 */
export async function saveStream(
  chunks: AsyncIterable<Uint8Array>,
  file: string,
  bounds: StreamBounds,
  startAt = 0,
): Promise<FileDigests> {
  await using handle = await open(file, startAt === 0 ? 'w' : 'a', 0o600)
  await handle.truncate(startAt)
  const keep = (chunk: Uint8Array): Promise<void> => handle.appendFile(chunk)
  if (startAt === 0) return await digestStream(chunks, bounds, keep)
  const start = createReadStream(file, { end: startAt - 1 }) as AsyncIterable<Uint8Array>
  let seen = 0
  async function* both(): AsyncGenerator<Uint8Array> {
    yield* start
    yield* chunks
  }
  return await digestStream(both(), bounds, async (chunk) => {
    seen += chunk.byteLength
    if (seen > startAt) await keep(chunk)
  })
}

/** Hashes a file where it lies. @throws As {@link saveStream}. */
export function digestFile(file: string, bounds: StreamBounds): Promise<FileDigests> {
  return digestStream(readFileChunks(file), bounds)
}

/** The content of a file. Opens it when the reading begins, so that no failure goes unheard. */
export async function* readFileChunks(file: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(file) as AsyncIterable<Uint8Array>
}

async function digestStream(
  chunks: AsyncIterable<Uint8Array>,
  bounds: StreamBounds,
  keep?: (chunk: Uint8Array) => Promise<void>,
): Promise<FileDigests> {
  const md5 = createHash('md5')
  const sha256 = createHash('sha256')
  let bytes = 0
  for await (const chunk of chunks) {
    bounds.signal?.throwIfAborted()
    bytes += chunk.byteLength
    if (bytes > bounds.bytesMax) throw tooLarge(bounds)
    md5.update(chunk)
    sha256.update(chunk)
    await keep?.(chunk)
    bounds.onBytes?.(bytes)
  }
  return { bytes, md5: md5.digest('hex'), sha256: sha256.digest('hex') }
}

/** The refusal of a package that is larger than allowed, also for a size that was announced. */
export function tooLarge(bounds: StreamBounds, announced?: number): EdgebootError {
  const size = announced === undefined ? '' : ` (${announced} bytes)`
  return new EdgebootError(
    'MODEL_PACKAGE_TOO_LARGE',
    `the package is larger${size} than models.limits.packageBytesMax, ${bounds.bytesMax} bytes`,
    { details: { where: bounds.where } },
  )
}

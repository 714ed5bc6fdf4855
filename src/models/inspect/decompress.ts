import { Readable, pipeline, type Duplex } from 'node:stream'
import { createGunzip, createInflate, createZstdDecompress } from 'node:zlib'

/** How the bytes of a file are compressed, by their beginning. */
export type Compression = 'none' | 'zlib' | 'gzip' | 'zstd' | 'bzip2' | 'lzma' | 'xz' | 'lz4'

/** Bytes that {@link compressionOf} looks at. */
export const compressionBytes = 6

/** Tells the compressions that joblib can write. */
export function compressionOf(start: Buffer): Compression {
  const hex = start.toString('hex', 0, compressionBytes)
  if (hex.startsWith('1f8b')) return 'gzip'
  if (hex.startsWith('28b52ffd')) return 'zstd'
  if (hex.startsWith('425a68')) return 'bzip2'
  if (hex.startsWith('fd377a585a00')) return 'xz'
  if (hex.startsWith('5d0000')) return 'lzma'
  if (hex.startsWith('04224d18')) return 'lz4'
  const isZlib = start.length > 1 && start[0] === 0x78 && start.readUInt16BE(0) % 31 === 0
  return isZlib ? 'zlib' : 'none'
}

/** Inflates a stream piece by piece; `undefined` for a compression that Node has no reader for. */
export function decompress(
  bytes: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncIterable<Uint8Array> | undefined {
  if (compression === 'none') return bytes
  const decoder = decoderOf(compression)
  if (decoder === undefined) return undefined
  // What fails is thrown where the decoder is read.
  pipeline(Readable.from(bytes, { objectMode: false }), decoder, () => {})
  return decoder as AsyncIterable<Uint8Array>
}

function decoderOf(compression: Compression): Duplex | undefined {
  if (compression === 'gzip') return createGunzip()
  if (compression === 'zlib') return createInflate()
  return compression === 'zstd' ? createZstdDecompress() : undefined
}

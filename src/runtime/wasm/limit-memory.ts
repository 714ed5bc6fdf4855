/**
 * Bounds the memory of a module before it is compiled. A module says itself how far its memory may
 * grow, and the host is not asked when it does; so what it says is rewritten. `memory.grow` beyond
 * the bound then answers -1, as it does on a machine that has no more.
 */

/** WebAssembly counts memory in pages of this many bytes. */
export const pageBytes = 65_536
const memorySection = 5
const headerBytes = 8

/** Why bytes are no module that can be bounded, in words that continue "it ". */
export class ModuleFormatError extends Error {
  override readonly name = 'ModuleFormatError'
}

/**
 * The module with every memory bounded to `pagesMax`.
 *
 * @throws ModuleFormatError for what is no core module of WebAssembly 1 in whole sections, for one
 * that needs more from the start, and for memories of 64 bits or shared between threads.
 */
export function limitMemory(bytes: Uint8Array, pagesMax: number): Uint8Array {
  checkHeader(bytes)
  const reader = new ByteReader(bytes, headerBytes)
  while (reader.at < bytes.length) {
    const start = reader.at
    const id = reader.byte()
    const size = reader.u32()
    const end = reader.at + size
    if (end > bytes.length) {
      const missing = end - bytes.length
      throw new ModuleFormatError(`is cut short: its last section lacks ${missing} bytes`)
    }
    if (id === memorySection) {
      const body = boundedMemories(new ByteReader(bytes.subarray(0, end), reader.at), pagesMax)
      return Buffer.concat([
        bytes.subarray(0, start),
        Uint8Array.of(memorySection, ...leb(body.length), ...body),
        bytes.subarray(end),
      ])
    }
    reader.at = end
  }
  return bytes
}

function checkHeader(bytes: Uint8Array): void {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, headerBytes))
  const hex = head.toString('hex')
  if (hex === '0061736d01000000') return
  if (hex.startsWith('0061736d') && hex.endsWith('0100') && hex.length === 16) {
    throw new ModuleFormatError('is a component, and only core modules are taken')
  }
  if (head.length === 0) throw new ModuleFormatError('is empty')
  throw new ModuleFormatError('does not begin as a WebAssembly module does')
}

function boundedMemories(reader: ByteReader, pagesMax: number): number[] {
  const count = reader.u32()
  const body = leb(count)
  for (let memory = 0; memory < count; memory++) {
    const flags = reader.byte()
    if ((flags & 2) !== 0) throw new ModuleFormatError('shares its memory between threads')
    if ((flags & 4) !== 0) throw new ModuleFormatError('has a memory of 64 bits')
    const initial = reader.u32()
    const maximum = (flags & 1) === 0 ? pagesMax : Math.min(reader.u32(), pagesMax)
    if (initial > pagesMax) {
      throw new ModuleFormatError(
        `needs ${initial} pages of memory from the start, and may have ${pagesMax} (of 64 KiB each)`,
      )
    }
    body.push(1, ...leb(initial), ...leb(maximum))
  }
  return body
}

class ByteReader {
  readonly #bytes: Uint8Array
  at: number

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.at = at
  }

  byte(): number {
    const value = this.#bytes[this.at++]
    if (value === undefined) throw new ModuleFormatError('is cut short')
    return value
  }

  /** LEB128, as WebAssembly writes its numbers. */
  u32(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new ModuleFormatError('has a number of more than 32 bits where a size should be')
  }
}

function leb(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return [...bytes, rest]
}

import { open, type FileHandle } from 'node:fs/promises'

/** The section of imports: a real one has a few kilobytes. */
const sectionBytesMax = 1024 * 1024
/** Sections before it. */
const sectionsMax = 64
const importSection = 2

/** The namespaces that plug-ins made with Extism's kits import from; the second is of old ones. */
const extismNamespaces: ReadonlySet<string> = new Set(['extism:host/env', 'extism:host/user'])

/**
 * Whether a WebAssembly module is a plug-in for Extism: by what it imports. Nothing is compiled, and
 * little of the file is read. What is no module, or a damaged one, is none.
 */
export async function isExtismPlugin(file: string): Promise<boolean> {
  try {
    await using handle = await open(file, 'r')
    const section = await readImportSection(handle)
    return section !== undefined && readImports(section).some(isExtism)
  } catch {
    // Whatever is wrong with it will be told by the runtime that loads it.
    return false
  }
}

interface Import {
  readonly module: string
  readonly name: string
}

function isExtism({ module, name }: Import): boolean {
  return extismNamespaces.has(module) || (module === 'env' && name.startsWith('extism_'))
}

async function readImportSection(handle: FileHandle): Promise<Buffer | undefined> {
  if ((await readAt(handle, 0, 4)).toString('latin1') !== '\0asm') return undefined
  let at = 8
  for (let count = 0; count < sectionsMax; count++) {
    // An id, and a size of at most five bytes.
    const head = new Reader(await readAt(handle, at, 6))
    const id = head.byte()
    const size = head.number()
    const start = at + head.at
    if (id === importSection) {
      return size > sectionBytesMax ? undefined : await readAt(handle, start, size)
    }
    at = start + size
  }
  return undefined
}

async function readAt(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, at)
  return buffer.subarray(0, bytesRead)
}

function readImports(section: Buffer): Import[] {
  const reader = new Reader(section)
  const found: Import[] = []
  // Two names, a kind and a type: no import is shorter, so the section bounds their number.
  for (let left = reader.number(); left > 0; left--) {
    found.push({ module: reader.text(), name: reader.text() })
    reader.skipType()
  }
  return found
}

/** Reads the binary format of WebAssembly (core specification, 5). Throws where it ends too early. */
class Reader {
  at = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  byte(): number {
    const byte = this.#bytes[this.at]
    if (byte === undefined) throw new RangeError('the module ends too early')
    this.at += 1
    return byte
  }

  /** LEB128, unsigned, of at most 32 bits; wider ones of limits are read past. */
  number(): number {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a number is too long')
  }

  text(): string {
    const length = this.number()
    const end = this.at + length
    if (end > this.#bytes.length) throw new RangeError('the module ends too early')
    const text = this.#bytes.toString('utf8', this.at, end)
    this.at = end
    return text
  }

  /** What is imported: a function, a table, a memory, a global, or a tag. */
  skipType(): void {
    const kind = this.byte()
    if (kind === 0) this.number()
    else if (kind === 1) {
      this.byte()
      this.#skipLimits()
    } else if (kind === 2) this.#skipLimits()
    else if (kind === 3) this.at += 2
    else {
      this.byte()
      this.number()
    }
  }

  #skipLimits(): void {
    const flags = this.byte()
    this.number()
    if ((flags & 1) !== 0) this.number()
  }
}

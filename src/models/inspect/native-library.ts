/** What native code is written in. */
export type LibraryFormat = 'ELF' | 'Mach-O' | 'PE'

/** Native code, by the header of its file. */
export interface NativeLibrary {
  readonly format: LibraryFormat
  /** As wheels name them; several for a universal one. What is not known is its number. */
  readonly architectures: readonly string[]
}

/** Bytes of a file that {@link readLibraryHeader} looks at. */
export const libraryHeaderBytes = 4096

const elfMachines: ReadonlyMap<number, string> = new Map([
  [3, 'i686'],
  [20, 'ppc'],
  [21, 'ppc64le'],
  [22, 's390x'],
  [40, 'armv7l'],
  [62, 'x86_64'],
  [183, 'aarch64'],
  [243, 'riscv64'],
])

const machCpus: ReadonlyMap<number, string> = new Map([
  [7, 'i686'],
  [0x0100_0007, 'x86_64'],
  [0x0100_000c, 'aarch64'],
])

const peMachines: ReadonlyMap<number, string> = new Map([
  [0x014c, 'i686'],
  [0x8664, 'x86_64'],
  [0xaa64, 'aarch64'],
])

/** Architectures in one universal file. */
const universalMax = 8

/**
 * Reads what a library or a program of native code is for.
 *
 * @param start - The first {@link libraryHeaderBytes} bytes of the file, or all of it.
 * @returns Nothing for what is no native code.
 */
export function readLibraryHeader(start: Buffer): NativeLibrary | undefined {
  if (start.length < 20) return undefined
  const magic = start.readUInt32BE(0)
  if (magic === 0x7f45_4c46) {
    const machine = start[5] === 2 ? start.readUInt16BE(18) : start.readUInt16LE(18)
    return { format: 'ELF', architectures: [nameOf(elfMachines, machine)] }
  }
  if (magic === 0xcffa_edfe || magic === 0xcefa_edfe) {
    return { format: 'Mach-O', architectures: [nameOf(machCpus, start.readUInt32LE(4))] }
  }
  if (magic === 0xcafe_babe) return universal(start)
  return start.readUInt16BE(0) === 0x4d5a ? portableExecutable(start) : undefined
}

function universal(start: Buffer): NativeLibrary | undefined {
  const count = start.readUInt32BE(4)
  // A class file of Java begins alike, and has its version here.
  if (count === 0 || count > universalMax || start.length < 8 + count * 20) return undefined
  const architectures = Array.from({ length: count }, (_, index) =>
    nameOf(machCpus, start.readUInt32BE(8 + index * 20)),
  )
  return { format: 'Mach-O', architectures }
}

function portableExecutable(start: Buffer): NativeLibrary | undefined {
  if (start.length < 0x40) return undefined
  const at = start.readUInt32LE(0x3c)
  if (at + 6 > start.length || start.readUInt32BE(at) !== 0x5045_0000) return undefined
  return { format: 'PE', architectures: [nameOf(peMachines, start.readUInt16LE(at + 4))] }
}

function nameOf(names: ReadonlyMap<number, string>, number: number): string {
  return names.get(number) ?? `machine ${number}`
}

/** The first bytes of programs: for which machine an ELF file is, and what loads it. */

/** Machines by the number in an ELF header, and the names that Node has for where they run. */
const machines: ReadonlyMap<number, { name: string; runsOn: readonly string[] }> = new Map([
  [3, { name: 'x86 (32 bit)', runsOn: ['ia32', 'x64'] }],
  [8, { name: 'MIPS', runsOn: ['mips', 'mipsel'] }],
  [20, { name: 'PowerPC (32 bit)', runsOn: ['ppc', 'ppc64'] }],
  [21, { name: 'PowerPC 64', runsOn: ['ppc64'] }],
  [22, { name: 's390x', runsOn: ['s390x'] }],
  [40, { name: 'ARM (32 bit)', runsOn: ['arm', 'arm64'] }],
  [62, { name: 'x86-64', runsOn: ['x64'] }],
  [183, { name: 'ARM 64 (aarch64)', runsOn: ['arm64'] }],
  [243, { name: 'RISC-V', runsOn: ['riscv64'] }],
  [258, { name: 'LoongArch', runsOn: ['loong64'] }],
])

/** What an ELF header says. */
export interface Elf {
  /** In words, such as `ARM 64 (aarch64)`. */
  readonly machine: string
  /** Values of `process.arch`. */
  readonly runsOn: readonly string[]
  readonly is64Bit: boolean
  readonly isLittleEndian: boolean
}

/** Reads the header of an ELF file; `undefined` for anything else, and for a header cut short. */
export function readElf(head: Buffer): Elf | undefined {
  if (head.length < 52 || head.toString('latin1', 0, 4) !== '\u007fELF') return undefined
  const isLittleEndian = head[5] === 1
  const number = isLittleEndian ? head.readUInt16LE(18) : head.readUInt16BE(18)
  const known = machines.get(number) ?? { name: `a machine of ELF number ${number}`, runsOn: [] }
  return { machine: known.name, runsOn: known.runsOn, is64Bit: head[4] === 2, isLittleEndian }
}

const interpreterSegment = 3

/** The loader that a dynamically linked program asks for, where its headers are at the front. */
export function loaderOf(head: Buffer, elf: Elf): string | undefined {
  const u16 = (at: number): number =>
    elf.isLittleEndian ? head.readUInt16LE(at) : head.readUInt16BE(at)
  const u32 = (at: number): number =>
    elf.isLittleEndian ? head.readUInt32LE(at) : head.readUInt32BE(at)
  // Offsets of 64 bits: what is beyond the head is not followed, so their low half is enough.
  const word = (at: number): number => u32(elf.is64Bit && !elf.isLittleEndian ? at + 4 : at)
  try {
    const table = word(elf.is64Bit ? 32 : 28)
    const entryBytes = u16(elf.is64Bit ? 54 : 42)
    const count = u16(elf.is64Bit ? 56 : 44)
    for (let entry = 0; entry < count; entry++) {
      const at = table + entry * entryBytes
      if (u32(at) !== interpreterSegment) continue
      const start = word(at + (elf.is64Bit ? 8 : 4))
      const end = start + word(at + (elf.is64Bit ? 32 : 16)) - 1
      return end > start && end <= head.length ? head.toString('utf8', start, end) : undefined
    }
  } catch {
    // A table beyond the head: the system will say what it thinks of it.
  }
  return undefined
}

/** What a file is that is no ELF program, where its first bytes tell: `: it is …`, else nothing. */
export function describeForeign(head: Buffer): string {
  const hex = head.toString('hex', 0, 4)
  if (head.length === 0) return ': it is empty'
  if (hex.startsWith('4d5a')) return ': it is a program for Windows'
  if (['cffaedfe', 'cefaedfe', 'cafebabe'].includes(hex)) return ': it is a program for macOS'
  if (hex === '0061736d') return ': it is a WebAssembly module (runtime: wasm)'
  if (hex === '7f454c46') return ': it is an ELF file that is cut short'
  return ': it begins neither with an ELF header nor with #!'
}

import { type ByteCursor, EndOfBytes } from './byte-cursor.ts'

/** A text that is longer is passed over: no name of a module or a class is that long. */
const keptTextBytesMax = 1024
/** A number or a name on a line of its own; a larger number is still a number. */
const lineBytesMax = 256 * 1024

/** What follows the byte of an opcode. */
type Argument =
  | 'none'
  | 'uint1'
  | 'uint2'
  | 'int4'
  | 'uint4'
  | 'uint8'
  | 'float8'
  | 'line'
  | 'quoted'
  | 'escaped'
  | 'two-lines'
  | 'text1'
  | 'text4'
  | 'text8'
  | 'bytes1'
  | 'bytes4'
  | 'bytes8'
  | 'long1'
  | 'long4'

/** All opcodes of protocols 0 to 5, by their byte. */
const opcodes = {
  '(': ['MARK', 'none'],
  '.': ['STOP', 'none'],
  '0': ['POP', 'none'],
  '1': ['POP_MARK', 'none'],
  '2': ['DUP', 'none'],
  F: ['FLOAT', 'line'],
  I: ['INT', 'line'],
  J: ['BININT', 'int4'],
  K: ['BININT1', 'uint1'],
  L: ['LONG', 'line'],
  M: ['BININT2', 'uint2'],
  N: ['NONE', 'none'],
  P: ['PERSID', 'line'],
  Q: ['BINPERSID', 'none'],
  R: ['REDUCE', 'none'],
  S: ['STRING', 'quoted'],
  T: ['BINSTRING', 'text4'],
  U: ['SHORT_BINSTRING', 'text1'],
  V: ['UNICODE', 'escaped'],
  X: ['BINUNICODE', 'text4'],
  a: ['APPEND', 'none'],
  b: ['BUILD', 'none'],
  c: ['GLOBAL', 'two-lines'],
  d: ['DICT', 'none'],
  e: ['APPENDS', 'none'],
  g: ['GET', 'line'],
  h: ['BINGET', 'uint1'],
  i: ['INST', 'two-lines'],
  j: ['LONG_BINGET', 'uint4'],
  l: ['LIST', 'none'],
  o: ['OBJ', 'none'],
  p: ['PUT', 'line'],
  q: ['BINPUT', 'uint1'],
  r: ['LONG_BINPUT', 'uint4'],
  s: ['SETITEM', 'none'],
  t: ['TUPLE', 'none'],
  u: ['SETITEMS', 'none'],
  '}': ['EMPTY_DICT', 'none'],
  ']': ['EMPTY_LIST', 'none'],
  ')': ['EMPTY_TUPLE', 'none'],
  G: ['BINFLOAT', 'float8'],
  B: ['BINBYTES', 'bytes4'],
  C: ['SHORT_BINBYTES', 'bytes1'],
  '\x80': ['PROTO', 'uint1'],
  '\x81': ['NEWOBJ', 'none'],
  '\x82': ['EXT1', 'uint1'],
  '\x83': ['EXT2', 'uint2'],
  '\x84': ['EXT4', 'int4'],
  '\x85': ['TUPLE1', 'none'],
  '\x86': ['TUPLE2', 'none'],
  '\x87': ['TUPLE3', 'none'],
  '\x88': ['NEWTRUE', 'none'],
  '\x89': ['NEWFALSE', 'none'],
  '\x8a': ['LONG1', 'long1'],
  '\x8b': ['LONG4', 'long4'],
  '\x8c': ['SHORT_BINUNICODE', 'text1'],
  '\x8d': ['BINUNICODE8', 'text8'],
  '\x8e': ['BINBYTES8', 'bytes8'],
  '\x8f': ['EMPTY_SET', 'none'],
  '\x90': ['ADDITEMS', 'none'],
  '\x91': ['FROZENSET', 'none'],
  '\x92': ['NEWOBJ_EX', 'none'],
  '\x93': ['STACK_GLOBAL', 'none'],
  '\x94': ['MEMOIZE', 'none'],
  '\x95': ['FRAME', 'uint8'],
  '\x96': ['BYTEARRAY8', 'bytes8'],
  '\x97': ['NEXT_BUFFER', 'none'],
  '\x98': ['READONLY_BUFFER', 'none'],
} as const satisfies Readonly<Record<string, readonly [string, Argument]>>

/** The name of an opcode, as Python's `pickletools` has it. */
export type OpcodeName = (typeof opcodes)[keyof typeof opcodes][0]

/** One step of a pickle. */
export interface Opcode {
  readonly name: OpcodeName
  /** A number, or a text unless it is long. Of GLOBAL and INST: module and name with a line end between them. */
  readonly argument?: number | string
}

const byByte: readonly (readonly [OpcodeName, Argument] | undefined)[] = Array.from(
  { length: 256 },
  (_, byte) =>
    (opcodes as Record<string, readonly [OpcodeName, Argument]>)[String.fromCharCode(byte)],
)

/** A byte that is no opcode: where Python's own unpickler gives up. */
export class NoOpcode extends Error {
  override readonly name = 'NoOpcode'
  readonly byte: number
  constructor(byte: number) {
    super(`0x${byte.toString(16)} is no opcode`)
    this.byte = byte
  }
}

/**
 * Reads the next opcode. Long texts and bytes are passed over.
 *
 * @throws NoOpcode, EndOfBytes
 */
export async function nextOpcode(cursor: ByteCursor): Promise<Opcode> {
  if (cursor.available === 0) await cursor.need(1)
  const byte = cursor.byte()
  const known = byByte[byte]
  if (known === undefined) throw new NoOpcode(byte)
  const [name, kind] = known
  if (kind === 'none') return { name }
  const argument = await readArgument(cursor, kind)
  return argument === undefined ? { name } : { name, argument }
}

async function readArgument(
  cursor: ByteCursor,
  kind: Exclude<Argument, 'none'>,
): Promise<number | string | undefined> {
  switch (kind) {
    case 'line':
      return (await cursor.line(lineBytesMax)).toString('latin1').trim()
    case 'quoted':
      return unquoted((await cursor.line(lineBytesMax)).toString('latin1').trim())
    case 'escaped':
      return unescaped((await cursor.line(lineBytesMax)).toString('latin1'))
    case 'two-lines': {
      const first = (await cursor.line(lineBytesMax)).toString('utf8')
      return `${first}\n${(await cursor.line(lineBytesMax)).toString('utf8')}`
    }
    case 'text1':
    case 'text4':
    case 'text8':
      return await text(cursor, await lengthOf(cursor, kind))
    case 'bytes1':
    case 'bytes4':
    case 'bytes8':
      await cursor.skip(await lengthOf(cursor, kind))
      return undefined
    case 'long1':
    case 'long4':
      return await long(cursor, await lengthOf(cursor, kind))
    default:
      return await fixed(cursor, kind)
  }
}

async function fixed(
  cursor: ByteCursor,
  kind: 'uint1' | 'uint2' | 'int4' | 'uint4' | 'uint8' | 'float8',
): Promise<number> {
  const bytes = Number(kind.at(-1))
  if (cursor.available < bytes) await cursor.need(bytes)
  const buffer = cursor.take(bytes)
  if (kind === 'float8') return buffer.readDoubleBE(0)
  if (kind === 'int4') return buffer.readInt32LE(0)
  if (kind === 'uint8') return Number(buffer.readBigUInt64LE(0))
  return buffer.readUIntLE(0, bytes)
}

async function lengthOf(cursor: ByteCursor, kind: string): Promise<number> {
  const size = kind.at(-1)
  return await fixed(cursor, size === '1' ? 'uint1' : size === '4' ? 'uint4' : 'uint8')
}

async function text(cursor: ByteCursor, bytes: number): Promise<string | undefined> {
  if (bytes > keptTextBytesMax) {
    await cursor.skip(bytes)
    return undefined
  }
  if (cursor.available < bytes) await cursor.need(bytes)
  return cursor.take(bytes).toString('utf8')
}

/** Little-endian, two's complement. What is too large for a shape or a name is not kept. */
async function long(cursor: ByteCursor, bytes: number): Promise<number | undefined> {
  if (bytes === 0) return 0
  if (bytes > 6) {
    await cursor.skip(bytes)
    return undefined
  }
  if (cursor.available < bytes) await cursor.need(bytes)
  return cursor.take(bytes).readIntLE(0, bytes)
}

/** As Python writes a string: in quotes, with escapes. Names may hide behind them. */
function unquoted(line: string): string | undefined {
  const quote = line[0]
  if (line.length < 2 || (quote !== "'" && quote !== '"') || line.at(-1) !== quote) {
    throw new EndOfBytes()
  }
  if (line.length > keptTextBytesMax) return undefined
  const simple: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }
  return line
    .slice(1, -1)
    .replaceAll(/\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|([^]))/g, (_, hex, octal, other) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex as string, 16))
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal as string, 8) & 255)
      return simple[other as string] ?? (other as string)
    })
}

/** As Python's `raw-unicode-escape` has it. */
function unescaped(line: string): string | undefined {
  if (line.length > keptTextBytesMax) return undefined
  return line.replaceAll(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (whole, short, long) => {
    const code = Number.parseInt((short ?? long) as string, 16)
    return code > 0x10ffff ? whole : String.fromCodePoint(code)
  })
}

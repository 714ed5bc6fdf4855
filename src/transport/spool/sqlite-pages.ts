/**
 * Reads rows from the pages of an SQLite file without SQLite, which gives up a whole file for one
 * bit in the wrong place. Only leaves of tables are looked at (SQLite's file format, 1.6 "B-tree
 * Pages" and 2.1 "Record Format"); whether a row is what was written is for its checksum to say.
 */

/** Bytes of a page; the spool is created with it. */
export const pageBytes = 4096

/** Gives a page by its number, from 1; `undefined` when there is none. */
export type PageLookup = (page: number) => Buffer | undefined

/** A value of a row: integers are `bigint`, floating-point numbers are not read. */
export type CellValue = null | bigint | string | Buffer

/** A row of a table: its number and its columns. */
export interface Cell {
  readonly rowid: bigint
  readonly values: readonly CellValue[]
}

const tableLeaf = 0x0d
/** No column of the spool is larger than a payload, and a payload is far below this. */
const rowBytesMax = 64 * 1024 * 1024

/**
 * The rows on a page that can be made out. Never throws, whatever the bytes are.
 *
 * @param start - Where the page's own header begins: 100 on the first page of a file.
 */
export function* cellsOf(page: Buffer, start: number, lookup: PageLookup): Generator<Cell> {
  if (page.length < start + 8 || page[start] !== tableLeaf) return
  const count = page.readUInt16BE(start + 3)
  for (let i = 0; i < count; i++) {
    const pointerAt = start + 8 + 2 * i
    if (pointerAt + 2 > page.length) return
    const cell = cellAt(page, page.readUInt16BE(pointerAt), lookup)
    if (cell !== undefined) yield cell
  }
}

function cellAt(page: Buffer, at: number, lookup: PageLookup): Cell | undefined {
  const size = readVarint(page, at)
  if (size === undefined) return undefined
  const rowid = readVarint(page, size.end)
  if (rowid === undefined) return undefined
  const record = readPayload(page, rowid.end, Number(size.value), lookup)
  const values = record === undefined ? undefined : readValues(record)
  return values === undefined ? undefined : { rowid: BigInt.asIntN(64, rowid.value), values }
}

/** The bytes of a row, those on overflow pages included. */
function readPayload(
  page: Buffer,
  at: number,
  size: number,
  lookup: PageLookup,
): Buffer | undefined {
  if (size > rowBytesMax) return undefined
  const local = localBytes(size)
  if (at + local > page.length) return undefined
  if (local === size) return page.subarray(at, at + size)
  const parts = [page.subarray(at, at + local)]
  let missing = size - local
  if (at + local + 4 > page.length) return undefined
  let next = page.readUInt32BE(at + local)
  while (missing > 0) {
    const overflow = lookup(next)
    if (overflow === undefined || overflow.length < pageBytes) return undefined
    const part = overflow.subarray(4, 4 + Math.min(missing, pageBytes - 4))
    parts.push(part)
    missing -= part.length
    next = overflow.readUInt32BE(0)
  }
  return Buffer.concat(parts)
}

/** How much of a row is on its leaf. */
function localBytes(size: number): number {
  if (size <= pageBytes - 35) return size
  const least = Math.floor(((pageBytes - 12) * 32) / 255) - 23
  const fitting = least + ((size - least) % (pageBytes - 4))
  return fitting <= pageBytes - 35 ? fitting : least
}

function readValues(record: Buffer): CellValue[] | undefined {
  const header = readVarint(record, 0)
  if (header === undefined || header.value > BigInt(record.length)) return undefined
  const types: bigint[] = []
  for (let at = header.end; at < Number(header.value);) {
    const type = readVarint(record, at)
    if (type === undefined) return undefined
    types.push(type.value)
    at = type.end
  }
  const values: CellValue[] = []
  let at = Number(header.value)
  for (const type of types) {
    const bytes = valueBytes(type)
    if (bytes === undefined || at + bytes > record.length) return undefined
    values.push(readValue(record.subarray(at, at + bytes), type))
    at += bytes
  }
  return values
}

/** Sizes of the serial types 0 to 9; 7 is a floating-point number, which the spool has not. */
const fixedBytes: readonly (number | undefined)[] = [0, 1, 2, 3, 4, 6, 8, undefined, 0, 0]

function valueBytes(type: bigint): number | undefined {
  if (type < 12n) return fixedBytes[Number(type)]
  return Number((type - 12n) / 2n)
}

function readValue(bytes: Buffer, type: bigint): CellValue {
  if (type === 0n) return null
  if (type === 8n) return 0n
  if (type === 9n) return 1n
  if (type >= 12n) return type % 2n === 0n ? bytes : bytes.toString('utf8')
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return BigInt.asIntN(bytes.length * 8, value)
}

/** SQLite's variable-length integer: seven bits a byte, eight in the ninth. */
function readVarint(buffer: Buffer, at: number): { value: bigint; end: number } | undefined {
  let value = 0n
  for (let i = 0; i < 9; i++) {
    const byte = buffer[at + i]
    if (byte === undefined) return undefined
    if (i === 8) return { value: (value << 8n) | BigInt(byte), end: at + 9 }
    value = (value << 7n) | BigInt(byte & 0x7f)
    if (byte < 0x80) return { value, end: at + i + 1 }
  }
  return undefined
}

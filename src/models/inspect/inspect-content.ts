import { posix } from 'node:path'
import { ByteCursor } from './byte-cursor.ts'
import { inspectOnnx } from './inspect-onnx.ts'
import type { InspectionFinding } from './inspection.ts'
import { libraryFormat, machineText, type Machine } from './machine.ts'
import { libraryHeaderBytes, readLibraryHeader } from './native-library.ts'
import type { PickleName } from './pickle-name-list.ts'
import { scanPickle, type PickleReport } from './scan-pickle.ts'

/** Calls beyond the known ones that are told of for each file. */
const toldNamesMax = 12
/** A description of an array that is longer is none. */
const arrayHeaderBytesMax = 256 * 1024

/** Names by which files of pickles go. */
const pickleName = /\.(?:pkl|pickle|pck|joblib|sav|p)$/i

/** Content that can be read from its beginning, as often as wanted. */
export interface Content {
  /** In the package. */
  readonly name: string
  readonly open: () => AsyncIterable<Uint8Array>
}

/** What content is looked at with. */
export interface ContentOptions {
  readonly bytesMax: number
  readonly machine: Machine
  /** Modules that the package brings along. */
  readonly isOwn: (module: string) => boolean
  /** Whether the package has a file, by its name in the package. */
  readonly hasFile: (name: string) => boolean
}

/** A zip within the package: whoever has the file looks into it. */
export const isZip = Symbol('zip')

/**
 * Looks at one file: a pickle, an array of Python objects, native code. Nothing of it is run.
 *
 * @returns What is to be said of it, or {@link isZip}.
 */
export async function inspectContent(
  content: Content,
  options: ContentOptions,
): Promise<readonly InspectionFinding[] | typeof isZip> {
  const { name } = content
  const start = await startOf(content)
  if (start.toString('latin1', 0, 4) === 'PK\u0003\u0004') return isZip
  if (start.toString('latin1', 0, 6) === '\u0093NUMPY') return await inspectArray(content, options)
  if (name.endsWith('.onnx')) {
    const beside = (path: string): boolean => options.hasFile(posix.join(posix.dirname(name), path))
    return await inspectOnnx(name, content.open(), beside)
  }
  const native = readLibraryHeader(start)
  if (native !== undefined) {
    const { machine } = options
    const what = `native code for ${native.format} on ${native.architectures.join(', ')}`
    const fits =
      native.format === libraryFormat(machine) &&
      native.architectures.includes(machine.architecture)
    const text = fits
      ? what
      : `${what}: it cannot be loaded on this machine, ${machineText(machine)}`
    return [{ level: fits ? 'info' : 'warn', file: name, text }]
  }
  const isNamed = pickleName.test(name)
  if (!isNamed && !beginsAsPickle(start)) return []
  const { bytesMax } = options
  const report = await scanPickle(content.open, { bytesMax, isGuess: !isNamed })
  const findings = report.notes.map((note) => ({ ...note, file: name }))
  // What only begins like one.
  if (!isNamed && report.names.length === 0)
    return findings.filter(({ level }) => level === 'danger')
  return [...tellNames(name, report, options), ...findings]
}

async function startOf({ open }: Content): Promise<Buffer> {
  const cursor = new ByteCursor(open(), Infinity)
  await cursor.fill(libraryHeaderBytes)
  const start = Buffer.from(cursor.peek(Math.min(cursor.available, libraryHeaderBytes)))
  await cursor.close()
  return start
}

/** Protocols 2 to 5 begin with their number; those before, with nothing that could be told. */
function beginsAsPickle(start: Buffer): boolean {
  const [first, second = 0] = start
  return first === 0x80 && second >= 2 && second <= 5
}

/** A `.npy` file: its header is text; of Python objects, a pickle follows. */
async function inspectArray(
  { name, open }: Content,
  options: ContentOptions,
): Promise<readonly InspectionFinding[]> {
  const cursor = new ByteCursor(open(), options.bytesMax)
  let header: string
  let at: number
  try {
    await cursor.need(12)
    const version = cursor.take(8)[6] ?? 0
    const bytes = version === 1 ? cursor.take(2).readUInt16LE(0) : cursor.take(4).readUInt32LE(0)
    if (bytes > arrayHeaderBytesMax) throw new RangeError()
    await cursor.need(bytes)
    header = cursor.take(bytes).toString('latin1')
    at = cursor.position
  } catch {
    return [{ level: 'warn', file: name, text: 'an array whose header is damaged' }]
  } finally {
    await cursor.close()
  }
  // Also as the type of a field of a record.
  if (!/['"][|<>=]?O\d*['"]/.test(header)) return []
  const report = await scanPickle(() => from(open(), at), { bytesMax: options.bytesMax })
  return [
    { level: 'info', file: name, text: 'an array of Python objects, which are a pickle' },
    ...tellNames(name, report, options),
    ...report.notes.map((note) => ({ ...note, file: name })),
  ]
}

async function* from(bytes: AsyncIterable<Uint8Array>, at: number): AsyncGenerator<Uint8Array> {
  let left = at
  for await (const chunk of bytes) {
    if (left < chunk.byteLength) yield chunk.subarray(left)
    left = Math.max(left - chunk.byteLength, 0)
  }
}

function tellNames(
  file: string,
  { names, notes }: PickleReport,
  { isOwn }: ContentOptions,
): InspectionFinding[] {
  const told: InspectionFinding[] = []
  const of = (verdict: PickleName['verdict']): PickleName[] =>
    names.filter((name) => name.verdict === verdict)
  for (const { text } of of('danger')) {
    told.push({ level: 'danger', file, text: `this pickle ${text}` })
  }
  for (const { text, module } of of('unknown')) {
    if (module === '__main__') {
      const why = 'which was defined in a script or a notebook: it is found nowhere else'
      told.push({ level: 'warn', file, text: `this pickle ${text}, ${why}` })
    } else if (module !== undefined && isOwn(module)) {
      told.push({ level: 'info', file, text: `this pickle ${text}: the package’s own code` })
    } else {
      told.push({ level: 'warn', file, text: `this pickle ${text}: no known scientific module` })
    }
  }
  const known = of('known')
  if (known.length === names.length) {
    const modules = new Set(known.map(({ module }) => module?.split('.')[0] ?? ''))
    const what = modules.size === 0 ? 'plain values' : [...modules].toSorted().join(', ')
    const rest = notes.some(({ level }) => level !== 'info') ? 'up to there' : 'and nothing else'
    told.push({ level: 'info', file, text: `a pickle of ${what}, ${rest}` })
  }
  const kept = told.slice(0, toldNamesMax)
  const more = told.length - kept.length
  const text = `this pickle has ${more} more such names`
  return more === 0 ? kept : [...kept, { level: kept.at(-1)?.level ?? 'warn', file, text }]
}

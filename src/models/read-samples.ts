import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { byCodePoint } from '../core/by-code-point.ts'
import { EdgebootError } from '../core/errors.ts'
import { exactJsonText, parseExactJson } from '../core/exact-json.ts'
import type { ModelPackage } from './model-package.ts'
import { type Expectation, type ModelSample, toleranceDefault } from './model-sample.ts'

/** Where samples are looked for when a manifest does not say. */
const patternDefault = 'tests/*.json'
/** Samples of one package: they are run before every take-over. */
const samplesMax = 1000
const filesMax = 200
/** One file with samples. */
const fileBytesMax = 16 * 1024 ** 2
const keys = ['name', 'event', 'context', 'expect', 'error', 'tolerance']

/**
 * Reads the samples of a package: events with the answers that its author vouches for, each file
 * one of them or an array.
 *
 * Without a manifest, a file below `tests` that holds something else is somebody's own business and
 * is passed over; with one, it is a mistake.
 *
 * @returns In the order of the file names and of the files; empty when there are none.
 * @throws `MODEL_SAMPLES_INVALID` naming the file and the sample.
 */
export async function readSamples(
  model: Pick<ModelPackage, 'name' | 'folder' | 'manifest'>,
): Promise<readonly ModelSample[]> {
  const isStrict = model.manifest !== undefined
  const samples: ModelSample[] = []
  for (const file of await sampleFiles(model)) {
    const fault = (what: string): EdgebootError => invalid(model, file, what)
    const value = await parsed(join(model.folder, file), fault).catch((thrown: unknown) => {
      if (isStrict) throw thrown
      return undefined
    })
    const list = Array.isArray(value) ? (value as unknown[]) : [value]
    if (!isStrict && !list.every(isOfOurForm)) continue
    for (const [index, entry] of list.entries()) {
      if (samples.length === samplesMax)
        throw fault(`with it there are more than ${samplesMax} samples`)
      samples.push(readSample(entry, Array.isArray(value) ? `${file}[${index}]` : file, fault))
    }
  }
  return samples
}

async function sampleFiles(
  model: Pick<ModelPackage, 'name' | 'folder' | 'manifest'>,
): Promise<string[]> {
  const files = new Set<string>()
  for (const pattern of model.manifest?.tests ?? [patternDefault]) {
    const found = await filesOf(model.folder, pattern)
    // What the manifest names itself must be there.
    if (found.length === 0 && model.manifest?.tests !== undefined) {
      throw invalid(model, pattern, 'the manifest names it under tests, and no file is there')
    }
    for (const file of found) files.add(file)
    if (files.size > filesMax)
      throw invalid(model, pattern, `these are more than ${filesMax} files`)
  }
  return [...files]
}

async function filesOf(folder: string, pattern: string): Promise<string[]> {
  const inside = dirname(pattern)
  const last = pattern.slice(pattern.lastIndexOf('/') + 1)
  const entries = await readdir(join(folder, inside), { withFileTypes: true }).catch(() => [])
  const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name)
  return names
    .filter((name) => !name.startsWith('.') && matches(name, last))
    .toSorted(byCodePoint)
    .map((name) => (inside === '.' ? name : `${inside}/${name}`))
}

/**
 * Whether a name fits a pattern in which `*` stands for anything. The first place of each piece will
 * do for all that follow, so that no pattern takes long: a regular expression would try every other.
 */
function matches(name: string, pattern: string): boolean {
  const [start = '', ...rest] = pattern.split('*')
  const end = rest.pop()
  if (end === undefined) return name === pattern
  const last = name.length - end.length
  if (!name.startsWith(start) || !name.endsWith(end) || last < start.length) return false
  let at = start.length
  for (const piece of rest) {
    const found = name.indexOf(piece, at)
    if (found < 0 || found + piece.length > last) return false
    at = found + piece.length
  }
  return true
}

async function parsed(path: string, fault: (what: string) => EdgebootError): Promise<unknown> {
  try {
    const { size } = await stat(path)
    if (size > fileBytesMax) throw fault(`it has ${size} bytes, at most ${fileBytesMax} are read`)
    return parseExactJson(new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path)))
  } catch (thrown) {
    if (thrown instanceof EdgebootError) throw thrown
    throw fault(thrown instanceof Error ? thrown.message : String(thrown))
  }
}

function isOfOurForm(value: unknown): boolean {
  return isObject(value) && Object.hasOwn(value, 'event') && unknownKey(value) === undefined
}

function readSample(
  value: unknown,
  place: string,
  fault: (what: string) => EdgebootError,
): ModelSample {
  const refuse = (what: string): EdgebootError => fault(`${place}: ${what}`)
  if (!isObject(value)) throw refuse('a sample is an object with an event')
  const unknown = unknownKey(value)
  if (unknown !== undefined) {
    throw refuse(`"${unknown}" is not a key of a sample; they are ${keys.join(', ')}`)
  }
  if (!Object.hasOwn(value, 'event')) throw refuse('it has no event')
  const { name, event, context = {}, tolerance = {} } = value
  if (name !== undefined && typeof name !== 'string') throw refuse('its name is not a text')
  if (!isObject(context)) throw refuse('its context is not an object')
  return {
    label: name === undefined ? place : `${place} "${name}"`,
    event: exactJsonText(event),
    context: JSON.parse(exactJsonText(context)) as Record<string, unknown>,
    expected: readExpectation(value, refuse),
    tolerance: readTolerance(tolerance, refuse),
  }
}

function readExpectation(
  value: Record<string, unknown>,
  refuse: (what: string) => EdgebootError,
): Expectation {
  const { expect, error } = value
  if (error !== undefined) {
    if (expect !== undefined) throw refuse('it expects a result and an error')
    if (typeof error !== 'string')
      throw refuse('error is the type of an exception, such as "ValueError"')
    return { kind: 'error', type: error }
  }
  if (expect === undefined) return { kind: 'anything' }
  // What is not published can be written as what the model returns.
  const isNothing =
    expect === null || expect === 'null' || (isObject(expect) && Object.keys(expect).length === 0)
  return isNothing ? { kind: 'nothing' } : { kind: 'result', value: expect }
}

function readTolerance(
  value: unknown,
  refuse: (what: string) => EdgebootError,
): ModelSample['tolerance'] {
  const isNumber = (part: unknown): boolean =>
    part === undefined || (typeof part === 'number' && part >= 0)
  const isValid =
    isObject(value) &&
    Object.keys(value).every((key) => key === 'absolute' || key === 'relative') &&
    isNumber(value['absolute']) &&
    isNumber(value['relative'])
  if (!isValid) throw refuse('its tolerance is { "absolute": number, "relative": number }')
  return { ...toleranceDefault, ...(value as Partial<ModelSample['tolerance']>) }
}

function unknownKey(value: Record<string, unknown>): string | undefined {
  return Object.keys(value).find((key) => !keys.includes(key))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(
  model: Pick<ModelPackage, 'name' | 'folder'>,
  file: string,
  what: string,
): EdgebootError {
  return new EdgebootError(
    'MODEL_SAMPLES_INVALID',
    `the samples of model "${model.name}" in ${file} cannot be read: ${what}`,
    { details: { model: model.name, where: join(model.folder, file) } },
  )
}

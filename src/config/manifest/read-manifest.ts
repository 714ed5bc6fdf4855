import { open } from 'node:fs/promises'
import { EdgebootError } from '../../core/errors.ts'
import type { ModelManifest } from '../../models/model-manifest.ts'
import { checkTree } from '../check-schema.ts'
import {
  nodeAt,
  positionAt,
  type ConfigNode,
  type ConfigPath,
  type MapNode,
} from '../config-node.ts'
import { decodeText } from '../decode-text.ts'
import { parseDurationMs } from '../duration.ts'
import { Findings, invalidFile } from '../finding.ts'
import { parseSizeBytes } from '../size.ts'
import { readYaml } from '../yaml-text.ts'
import { checkHead, ManifestCheck } from './check-manifest.ts'
import { readInputs, readOutputs } from './check-ports.ts'
import { manifestSchema, type NativeManifest } from './manifest-schema.ts'

/** A manifest with a thousand inputs takes a tenth of it. */
const fileBytesMax = 256 * 1024
/** Values in it once its aliases are replaced. */
const valuesMax = 20_000
/** Characters of all of them together: aliases make much of little, and it travels to every runner. */
const textCharsMax = 1024 * 1024

const whole = { line: 0, column: 0 }

/**
 * Reads a `model.yaml`. Nothing of it is evaluated, and no variable is replaced: it may come from
 * anybody.
 *
 * @param file - Absolute.
 * @throws EdgebootError `MODEL_MANIFEST_INVALID` with every mistake at once, each with its line and
 * column; `details.foreign` is true for a file that has no key of a manifest at all, so that it
 * probably belongs to something else.
 */
export async function readManifest(file: string): Promise<ModelManifest> {
  const findings = new Findings(file)
  const text = await readText(file, findings)
  const root = text === undefined ? undefined : rootMap(text, findings)
  const foreign = root !== undefined && isForeign(root)
  if (root === undefined || !isModest(root, findings)) throw invalid(findings, foreign)
  const native = checkTree(root, findings, manifestSchema)
  const manifest = native === undefined ? undefined : plan(file, native, root, findings)
  if (manifest === undefined || findings.errors.length > 0) throw invalid(findings, foreign)
  return manifest
}

function invalid({ file, all }: Findings, foreign: boolean): EdgebootError {
  const error = invalidFile('MODEL_MANIFEST_INVALID', file, all)
  return new EdgebootError(error.code, error.message, { details: { ...error.details, foreign } })
}

async function readText(file: string, findings: Findings): Promise<string | undefined> {
  try {
    await using handle = await open(file, 'r')
    const { size } = await handle.stat()
    // One more byte than allowed: what the size says may be old when it is read.
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(fileBytesMax + 1), 0)
    if (bytesRead > fileBytesMax) {
      const message = `the file is ${size} bytes, more than ${fileBytesMax}`
      findings.error(whole, '', message, 'put large data into a file of its own')
      return undefined
    }
    return decodeText(buffer.subarray(0, bytesRead), findings)
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown)
    findings.error(whole, '', `the file cannot be read: ${code}`, 'check who may read it')
    return undefined
  }
}

function rootMap(text: string, findings: Findings): MapNode | undefined {
  const root = readYaml(text, findings, 'start with version and entry')
  if (root === undefined || root.kind === 'map') return root
  const what = root.kind === 'list' ? 'a list' : 'a single value'
  findings.error(root.at, '', `the file must be a map at its top, not ${what}`)
  return undefined
}

function isForeign(root: MapNode): boolean {
  return [...root.entries.keys()].every((key) => !Object.hasOwn(manifestSchema.shape, key))
}

/** Whether a tree is small enough to be worth a look; tells if not. */
function isModest(root: MapNode, findings: Findings): boolean {
  let values = 0
  let chars = 0
  const visit = (node: ConfigNode): void => {
    values += 1
    if (values > valuesMax || chars > textCharsMax) return
    if (node.kind === 'scalar') chars += node.text.length
    else if (node.kind === 'list') node.items.forEach(visit)
    else {
      for (const [key, { value }] of node.entries) {
        chars += key.length
        visit(value)
      }
    }
  }
  visit(root)
  const suggestion = 'put large data into a file of its own'
  if (values > valuesMax) {
    findings.error(root.at, '', `the file has more than ${valuesMax} values`, suggestion)
  } else if (chars > textCharsMax) {
    findings.error(root.at, '', `the file has more than ${textCharsMax} characters`, suggestion)
  }
  return values <= valuesMax && chars <= textCharsMax
}

function plan(
  file: string,
  native: NativeManifest,
  root: MapNode,
  findings: Findings,
): ModelManifest {
  const check = new ManifestCheck(root, findings)
  checkHead(native, check)
  const { name, version, runtime, format, entry, python, tests, batch } = native
  const timeoutMs = native.timeout === undefined ? undefined : parseDurationMs(native.timeout)
  const memoryBytesMax = native.memory === undefined ? undefined : parseSizeBytes(native.memory)
  return {
    file,
    places: placesOf(root),
    ...(name === undefined ? {} : { name }),
    ...(version === undefined ? {} : { version }),
    ...(runtime === undefined ? {} : { runtime }),
    ...(format === undefined ? {} : { format }),
    ...(entry === undefined ? {} : { entry }),
    args: native.args ?? [],
    inputs: readInputs(native.inputs ?? [], check),
    outputs: readOutputs(native.outputs ?? [], check),
    ...(batch === undefined ? {} : { batch: planBatch(batch) }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(memoryBytesMax === undefined ? {} : { memoryBytesMax }),
    params: native.params ?? {},
    env: native.env ?? {},
    ...(python === undefined ? {} : { python }),
    ...(tests === undefined ? {} : { tests: typeof tests === 'string' ? [tests] : tests }),
  }
}

function planBatch({
  size,
  delay,
}: NonNullable<NativeManifest['batch']>): NonNullable<ModelManifest['batch']> {
  const delayMs = delay === undefined ? undefined : parseDurationMs(delay)
  return {
    ...(size === undefined ? {} : { size }),
    ...(delayMs === undefined ? {} : { delayMs }),
  }
}

/** Top-level fields, and those of every input and output: what may contradict the model. */
function placesOf(root: MapNode): Record<string, string> {
  const places: Record<string, string> = {}
  const put = (path: ConfigPath, text: string): void => {
    const { line, column } = positionAt(root, path)
    places[text] = `${line}:${column}`
  }
  for (const key of root.entries.keys()) put([key], key)
  for (const list of ['inputs', 'outputs']) {
    const ports = nodeAt(root, [list])
    if (ports?.kind !== 'list') continue
    ports.items.forEach((port, at) => {
      if (port.kind !== 'map') return
      for (const key of port.entries.keys()) put([list, at, key], `${list}[${at}].${key}`)
    })
  }
  return places
}

import {
  child,
  items,
  list,
  map,
  scalar,
  setKey,
  textOf,
  type ConfigNode,
  type MapNode,
} from './config-node.ts'
import type { Findings } from './finding.ts'
import { translateDevices } from './legacy-devices.ts'
import { translateEdges } from './legacy-edge.ts'

/** Which of pyboot's forms a file was written in; `native` is ours. */
export type ConfigForm = 'v0' | 'v1' | 'v2' | 'v3' | 'native'

/** A tree in the native form, and what it was. */
export interface NativeTree {
  readonly root: MapNode
  readonly form: ConfigForm
  /** Sections that were left out because they have no meaning here, with their values. */
  readonly ignored: ReadonlyMap<string, ConfigNode>
}

/** Sections of pyboot that say nothing about what runs, and why they are ignored. */
const ignoredSections: Readonly<Record<string, string>> = {
  expose: 'it described a port to the container platform of pyboot',
  app_name: 'it was the name of the process in the first pyboot',
  description: 'it was a remark',
}

/** Maps whose keys belong to the user. */
const userMaps: ReadonlySet<string> = new Set(['params', 'env'])

/**
 * Brings any form of pyboot's configuration into the native form, in place where it can: v0
 * (`edge`), v1 (flat `deviceName`), v2 (`…ParseExpression`), v3 (`deviceAttr`), and keys in
 * either spelling (`model_address` or `modelAddress`). What is moved keeps its place in the file.
 * Mistakes go to `findings`; a native file comes out as it went in.
 */
export function translateLegacy(root: MapNode, findings: Findings): NativeTree {
  const ignored = new Map<string, ConfigNode>()
  for (const [key, reason] of Object.entries(ignoredSections)) {
    const entry = root.entries.get(key)
    if (entry === undefined) continue
    root.entries.delete(key)
    ignored.set(key, entry.value)
    findings.warning(entry.at, key, `${key} is ignored: ${reason}`)
  }
  const hasEdges = translateEdges(root, findings)
  const hasSnakeCase = respell(root, findings)
  const deviceForm = translateFuncs(root, findings)
  const form = hasEdges
    ? 'v0'
    : (deviceForm ?? (hasSnakeCase || ignored.has('expose') ? 'v1' : 'native'))
  if (form !== 'native') nameRepeatedFuncs(root)
  return { root, form, ignored }
}

/** pyboot let funcs share a model; ours have names, so that rules can tell them apart. */
function nameRepeatedFuncs(root: MapNode): void {
  const taken = new Set<string>()
  for (const func of items(child(root, 'funcs'))) {
    const modelName = child(func, 'modelName')
    const name = textOf(child(func, 'name') ?? modelName)
    if (func.kind !== 'map' || modelName?.kind !== 'scalar' || name === undefined) continue
    let unique = name
    for (let count = 2; taken.has(unique); count++) unique = `${name}-${count}`
    taken.add(unique)
    if (unique === name || func.entries.has('name')) continue
    const entries = [...func.entries]
    func.entries.clear()
    setKey(func, 'name', scalar(modelName.at, unique, modelName.source + unique.slice(name.length)))
    for (const [key, entry] of entries) func.entries.set(key, entry)
  }
}

/** Renames `snake_case` keys. Returns whether there were any. */
function respell(node: ConfigNode, findings: Findings): boolean {
  let found = false
  if (node.kind === 'list') for (const item of node.items) found = respell(item, findings) || found
  if (node.kind !== 'map') return found
  // In the order of the file, so that a renamed key stays where it was.
  const entries = [...node.entries]
  node.entries.clear()
  for (const [key, entry] of entries) {
    const spelling = camelCase(key)
    if (spelling !== key) found = true
    const earlier = node.entries.get(spelling)
    if (earlier !== undefined) {
      const message = `${key} is the same key as the one in line ${earlier.at.line}`
      findings.error(entry.at, key, message, 'keep one of them')
      continue
    }
    node.entries.set(spelling, entry)
    if (!userMaps.has(spelling)) found = respell(entry.value, findings) || found
  }
  return found
}

function camelCase(key: string): string {
  return key.replaceAll(/(?<=[a-z\d])_([a-z\d])/g, (_, letter: string) => letter.toUpperCase())
}

/** Returns the form that the devices are written in, the latest one if they are mixed. */
function translateFuncs(root: MapNode, findings: Findings): ConfigForm | undefined {
  const funcs = root.entries.get('funcs')?.value
  if (funcs?.kind !== 'list') return undefined
  let form: ConfigForm | undefined
  funcs.items.forEach((func, index) => {
    if (func.kind !== 'map') return
    const found = translateFunc(func, `funcs[${index}]`, findings)
    if (found !== undefined && (form === undefined || found > form)) form = found
  })
  return form
}

const flatKeys = ['deviceName', 'deviceParseExpression', 'pointName', 'pointParseExpression']

function translateFunc(func: MapNode, path: string, findings: Findings): ConfigForm | undefined {
  const flat = flatDevice(func)
  const devices = func.entries.get('devices')
  if (flat !== undefined && devices !== undefined) {
    const at = [...flat.entries.values()][0]?.at ?? flat.at
    const message = 'deviceName and pointName stand beside devices'
    findings.error(at, path, message, 'move them into an entry of devices')
    return 'v1'
  }
  if (flat !== undefined) setKey(func, 'devices', list(flat.at, [flat]), flat.at)
  const found = translateDevices(func, `${path}.devices`, findings)
  return found ?? (flat === undefined ? undefined : 'v1')
}

/** Takes v1's flat keys out of the func and makes a device of them. */
function flatDevice(func: MapNode): MapNode | undefined {
  let device: MapNode | undefined
  for (const key of flatKeys) {
    const entry = func.entries.get(key)
    if (entry === undefined) continue
    func.entries.delete(key)
    device ??= map(entry.at)
    device.entries.set(key, entry)
  }
  return device
}

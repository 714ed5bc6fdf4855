import type { z } from 'zod'
import {
  child,
  formatPath,
  keyPositionAt,
  nodeAt,
  positionAt,
  toPlain,
  type ConfigPath,
  type MapNode,
  type ScalarNode,
} from './config-node.ts'
import type { Findings } from './finding.ts'
import { describeIssue, keysOf } from './schema-issues.ts'
import { configSchema, type NativeConfig } from './schema.ts'

type Issue = z.core.$ZodIssue

/** More rounds than a tree can have parts to take out means a fault of ours. */
const roundsMax = 1000

/** Checks a configuration in the native form: {@link checkTree}. */
export function checkSchema(root: MapNode, findings: Findings): NativeConfig | undefined {
  return checkTree(root, findings, configSchema)
}

/**
 * Checks a tree against a schema. Mistakes go to `findings`, all of them; then what is wrong is
 * taken out of the tree, so that the rest can be checked for mistakes of other kinds.
 *
 * Scalars are read as the schema asks: `5555` where text is expected is the text `5555`, and
 * text that came from a variable may be a number.
 *
 * @returns What is left, `undefined` when that is nothing.
 */
export function checkTree<Checked>(
  root: MapNode,
  findings: Findings,
  schema: z.ZodType<Checked>,
): Checked | undefined {
  let told = false
  dropEmptySections(root)
  for (let round = 0; round < roundsMax; round++) {
    const parsed = schema.safeParse(toPlain(root), { reportInput: true })
    if (parsed.success) return parsed.data
    const issues = parsed.error.issues.flatMap(meantIssues)
    const open = issues.filter((issue) => !coerce(root, issue))
    if (open.length < issues.length) continue
    if (!told) for (const issue of open) tell(root, issue, findings, schema)
    told = true
    if (!open.every((issue) => takeOut(root, issue))) return undefined
  }
  return undefined
}

/**
 * Where one of several kinds of value is possible and the value is of one of these kinds, what is
 * wrong is inside of it: an unknown key of a map, say, rather than that it is not `false`.
 */
function meantIssues(issue: Issue): readonly Issue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const meant = issue.errors.filter((option) => !option.some(isOtherKind))
  const [option] = meant
  if (option === undefined || meant.length > 1) return [issue]
  return option.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }))
}

function isOtherKind({ code, path }: Issue): boolean {
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value')
}

/** A key with nothing behind it, such as `funcs:`, says no more than no key. */
function dropEmptySections(root: MapNode): void {
  for (const [key, { value }] of root.entries) {
    if (value.kind === 'scalar' && value.value === null) root.entries.delete(key)
  }
}

/** Reads a scalar as the type that the issue says is expected; false when that cannot be. */
function coerce(root: MapNode, issue: Issue): boolean {
  const node = nodeAt(root, pathOf(issue))
  if (node?.kind !== 'scalar') return false
  const expected = expectedType(issue)
  if (expected === 'string') return readAsText(node)
  if (expected === 'boolean') return readAsBoolean(node)
  if (expected === 'number' || expected === 'int') return readAsNumber(node)
  return false
}

function expectedType(issue: Issue): string {
  if (issue.code === 'invalid_type') return issue.expected
  if (issue.code === 'invalid_union') {
    const options = issue.errors.flat()
    // A switch that is a map as well, such as spool.
    if (options.some((option) => expectedType(option) === 'boolean')) return 'boolean'
    // Only qos is a union of numbers; durations and sizes take text as well.
    return options.every(({ code }) => code === 'invalid_value') ? 'number' : ''
  }
  if (issue.code === 'invalid_value') return typeof issue.values[0]
  return ''
}

function readAsText(node: ScalarNode): boolean {
  const isWritten = typeof node.value === 'number' || node.interpolated
  if (typeof node.value === 'string' || !isWritten) return false
  node.value = node.text
  return true
}

/** YAML 1.1, which pyboot read, had these words. */
const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  false: false,
  no: false,
  off: false,
}

function readAsBoolean(node: ScalarNode): boolean {
  if (typeof node.value !== 'string' || !(node.plain || node.interpolated)) return false
  const word = node.value.toLowerCase()
  const value = Object.hasOwn(booleans, word) ? booleans[word] : undefined
  if (value === undefined) return false
  node.value = value
  return true
}

function readAsNumber(node: ScalarNode): boolean {
  if (typeof node.value !== 'string' || !node.interpolated) return false
  if (!/^[+-]?\d+(?:\.\d+)?$/.test(node.value)) return false
  node.value = Number(node.value)
  return true
}

function pathOf(issue: Issue): ConfigPath {
  return issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
}

function tell(root: MapNode, issue: Issue, findings: Findings, schema: z.ZodType): void {
  const path = pathOf(issue)
  const node = nodeAt(root, path)
  // A variable that is not set has been told already, or is to be left alone.
  const isTold = node?.kind === 'scalar' && node.unresolved
  if (isTold && issue.code !== 'unrecognized_keys') return
  if (issue.code === 'unrecognized_keys') {
    const known = keysOf(schema, path)
    for (const key of issue.keys) {
      const { message, suggestion } = describeIssue(issue, path, key, known)
      findings.error(keyPositionAt(root, path, key), formatPath(path), message, suggestion)
    }
    return
  }
  const names = namesOf(root, 'mqtts')
  const { message, suggestion } = describeIssue(issue, path, undefined, names)
  findings.error(positionAt(root, path), formatPath(path), message, suggestion)
}

/** Names of the brokers or funcs of the file, whether their entries are valid or not. */
export function namesOf(root: MapNode, section: 'mqtts' | 'funcs'): string[] {
  const list = child(root, section)
  if (list?.kind !== 'list') return []
  return list.items.flatMap((item) => {
    const name = child(item, 'name') ?? child(item, 'modelName')
    return name?.kind === 'scalar' && name.text !== '' ? [name.text] : []
  })
}

/** Takes the faulty part out: the unknown key, the value, or what lacks a key. */
function takeOut(root: MapNode, issue: Issue): boolean {
  const path = pathOf(issue)
  if (issue.code === 'unrecognized_keys') {
    const node = nodeAt(root, path)
    if (node?.kind === 'map') for (const key of issue.keys) node.entries.delete(key)
    return node?.kind === 'map'
  }
  if (nodeAt(root, path) !== undefined) return remove(root, path)
  // Something is missing: what lacks it goes.
  return remove(root, path.slice(0, -1))
}

function remove(root: MapNode, path: ConfigPath): boolean {
  const step = path.at(-1)
  if (step === undefined) return false
  const parent = nodeAt(root, path.slice(0, -1))
  if (parent?.kind === 'list' && typeof step === 'number') {
    parent.items.splice(step, 1)
    return true
  }
  return parent?.kind === 'map' && parent.entries.delete(String(step))
}

import type { Position } from './finding.ts'
import type { WrittenCondition } from './settings.ts'

/** A value of the file that is neither a list nor a map. */
export interface ScalarNode {
  readonly kind: 'scalar'
  readonly at: Position
  /** What YAML makes of it, environment variables replaced. */
  value: string | number | boolean | null
  /** As text, environment variables replaced: `5555` for the number, `0123` with its zero. */
  text: string
  /** As it stands in the file, with its `${…}`. */
  source: string
  /** Whether it was written without quotes. */
  readonly plain: boolean
  /** Whether an environment variable went into it. */
  interpolated: boolean
  /** Whether a `${…}` was left in it that ought to have been replaced; that has been told. */
  unresolved: boolean
}

export interface ListNode {
  readonly kind: 'list'
  readonly at: Position
  items: ConfigNode[]
}

/** One key of a map with its value. */
export interface ConfigEntry {
  readonly at: Position
  readonly value: ConfigNode
}

export interface MapNode {
  readonly kind: 'map'
  readonly at: Position
  readonly entries: Map<string, ConfigEntry>
  /** Of a device that was translated: what its keys were made of. */
  written?: ReadonlyMap<string, readonly WrittenCondition[]>
}

/**
 * A configuration as it stands in its file: plain data in which every value and key knows its
 * line and column, so that what is translated or moved can still be pointed at.
 */
export type ConfigNode = ScalarNode | ListNode | MapNode

/** Steps from the root: keys of maps and indexes of lists. */
export type ConfigPath = readonly (string | number)[]

export function scalar(at: Position, value: ScalarNode['value'], source?: string): ScalarNode {
  const text = value === null ? '' : String(value)
  return {
    kind: 'scalar',
    at,
    value,
    text,
    source: source ?? text,
    plain: false,
    interpolated: false,
    unresolved: false,
  }
}

export function list(at: Position, items: ConfigNode[]): ListNode {
  return { kind: 'list', at, items }
}

/** A map from entries in their order; `undefined` ones are left out. */
export function map(at: Position, fields: Record<string, ConfigNode | undefined> = {}): MapNode {
  const node: MapNode = { kind: 'map', at, entries: new Map() }
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) setKey(node, key, value)
  }
  return node
}

/** Puts a value under a key, pointing at the value. */
export function setKey(node: MapNode, key: string, value: ConfigNode, at = value.at): void {
  node.entries.set(key, { at, value })
}

/** The value under a key of a map; `undefined` for other nodes and missing keys. */
export function child(node: ConfigNode | undefined, key: string): ConfigNode | undefined {
  return node?.kind === 'map' ? node.entries.get(key)?.value : undefined
}

/** The items of a list; none for anything else. */
export function items(node: ConfigNode | undefined): readonly ConfigNode[] {
  return node?.kind === 'list' ? node.items : []
}

/** The text of a scalar other than null; `undefined` for anything else. */
export function textOf(node: ConfigNode | undefined): string | undefined {
  return node?.kind === 'scalar' && node.value !== null ? node.text : undefined
}

/** Follows a path; `undefined` where it leads nowhere. */
export function nodeAt(root: ConfigNode, path: ConfigPath): ConfigNode | undefined {
  let node: ConfigNode | undefined = root
  for (const step of path) {
    if (node?.kind === 'list' && typeof step === 'number') node = node.items[step]
    else node = child(node, String(step))
  }
  return node
}

/** The place of what a path names, or of the nearest thing above it that exists. */
export function positionAt(root: ConfigNode, path: ConfigPath): Position {
  for (let length = path.length; length > 0; length--) {
    const node = nodeAt(root, path.slice(0, length))
    if (node !== undefined) return node.at
  }
  return root.at
}

/** The place of a key rather than of its value. */
export function keyPositionAt(root: ConfigNode, path: ConfigPath, key: string): Position {
  const parent = nodeAt(root, path)
  const entry = parent?.kind === 'map' ? parent.entries.get(key) : undefined
  return entry?.at ?? positionAt(root, path)
}

/** Such as `rules[0].pub.topic`. */
export function formatPath(path: ConfigPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}

/** The tree as plain values. Keys such as `__proto__` become own keys, never prototypes. */
export function toPlain(node: ConfigNode): unknown {
  if (node.kind === 'scalar') return node.value
  if (node.kind === 'list') return node.items.map(toPlain)
  return Object.fromEntries([...node.entries].map(([key, entry]) => [key, toPlain(entry.value)]))
}

/** Calls `visit` for every scalar with its path. */
export function eachScalar(
  node: ConfigNode,
  visit: (scalar: ScalarNode, path: ConfigPath) => void,
  path: ConfigPath = [],
): void {
  if (node.kind === 'scalar') visit(node, path)
  else if (node.kind === 'list') {
    node.items.forEach((item, index) => eachScalar(item, visit, [...path, index]))
  } else {
    for (const [key, entry] of node.entries) eachScalar(entry.value, visit, [...path, key])
  }
}

/** The place of a character of a scalar's text, as far as it is known: text on several lines has but one. */
export function placeInside(node: ScalarNode, offset: number): Position {
  if (node.text.includes('\n') || node.interpolated) return node.at
  return { line: node.at.line, column: node.at.column + offset + (node.plain ? 0 : 1) }
}

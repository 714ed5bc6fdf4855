import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  YAMLParseError,
  type Document,
  type Node as YamlNode,
  type Pair,
  type YAMLError,
} from 'yaml'
import {
  list,
  map,
  scalar,
  setKey,
  type ConfigNode,
  type MapNode,
  type ScalarNode,
} from './config-node.ts'
import type { Findings, Position } from './finding.ts'
import { describeYamlError } from './yaml-errors.ts'

/** Values after aliases are replaced. A thousand pipelines need a tenth of it. */
const valuesMax = 200_000
/** Nesting of lists and maps. The native form needs 6, `params` may need some more. */
const depthMax = 64

/**
 * Reads YAML text to a tree of located values. Mistakes go to `findings`, all of them; when the
 * tree that is left makes sense nevertheless, it is returned, so that mistakes of other kinds can
 * be told at the same time.
 *
 * Aliases and merge keys (`<<`) are replaced by what they stand for, within {@link valuesMax}.
 *
 * @param whenEmpty - What to write into a file that is empty.
 */
export function readYaml(
  text: string,
  findings: Findings,
  whenEmpty = 'start with mqtts, rules and funcs',
): ConfigNode | undefined {
  const first = parse(text)
  if (first === undefined) {
    findings.error({ line: 1, column: 1 }, '', 'the file is nested too deep to be read')
    return undefined
  }
  const hasTabs = first.errors.some((error) => error.code === 'TAB_AS_INDENT')
  const readable = hasTabs ? withoutTabs(text) : first
  if (hasTabs) reportTabs(text, findings)
  if (readable === undefined || readable.errors.length > 0) {
    reportErrors(first, text, findings)
    return undefined
  }
  const root = readable.document?.contents
  if (root === null || root === undefined || (isScalar(root) && root.value === null)) {
    findings.error({ line: 1, column: 1 }, '', 'the file is empty', whenEmpty)
    return undefined
  }
  return new Reader(readable, findings).read(root)
}

interface Parsed {
  readonly document: Document | undefined
  readonly errors: readonly YAMLError[]
  readonly lines: LineCounter
}

/** `undefined` when the parser ran out of stack. */
function parse(text: string): Parsed | undefined {
  const lines = new LineCounter()
  let documents: Document[]
  try {
    const parsed = parseAllDocuments(text, {
      lineCounter: lines,
      prettyErrors: false,
      logLevel: 'silent',
      uniqueKeys: false,
    })
    documents = Array.isArray(parsed) ? (parsed as Document[]) : []
  } catch (thrown) {
    if (thrown instanceof RangeError) return undefined
    throw thrown
  }
  const errors: YAMLError[] = documents.flatMap((document) => document.errors)
  if (errors.some((error) => error.message.startsWith('Maximum call stack'))) return undefined
  const second = documents[1]
  if (second !== undefined) {
    const start = second.range?.[0] ?? 0
    const message = 'a second document begins here'
    errors.push(new YAMLParseError([start, start + 1], 'MULTIPLE_DOCS', message))
  }
  return { document: documents[0], errors, lines }
}

function position(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(line, 1), column: Math.max(col, 1) }
}

/** One mistake can bring the parser out of step for the rest of the file. */
const errorsMax = 20

function reportErrors({ errors, lines }: Parsed, text: string, findings: Findings): void {
  const told = errors.filter((error) => error.code !== 'TAB_AS_INDENT').slice(0, errorsMax)
  for (const error of told) {
    const { message, suggestion } = describeYamlError(error, text)
    findings.error(position(lines, error.pos[0]), '', message, suggestion)
  }
}

const tabIndent = /^ *\t[ \t]*(?=\S)/

/** One finding per line, however many errors the parser makes of it. */
function reportTabs(text: string, findings: Findings): void {
  text.split('\n').forEach((line, index) => {
    const indent = tabIndent.exec(line)?.[0]
    if (indent === undefined) return
    const at = { line: index + 1, column: indent.indexOf('\t') + 1 }
    findings.error(
      at,
      '',
      'a tab indents this line, which YAML does not allow',
      'indent with spaces',
    )
  })
}

/** The same text with every tab of the indentation as wide as makes it valid. */
function withoutTabs(text: string): Parsed | undefined {
  for (const width of [2, 4, 8, 1]) {
    const spaces = ' '.repeat(width)
    const lines = text
      .split('\n')
      .map((line) => line.replace(tabIndent, (tabs) => tabs.replaceAll('\t', spaces)))
    const parsed = parse(lines.join('\n'))
    if (parsed?.errors.length === 0) return parsed
  }
  return undefined
}

class Reader {
  readonly #parsed: Parsed
  readonly #findings: Findings
  #values = 0
  #gaveUp = false
  /** The latest node of each name, as YAML has it. */
  readonly #anchors = new Map<string, YamlNode>()

  constructor(parsed: Parsed, findings: Findings) {
    this.#parsed = parsed
    this.#findings = findings
  }

  read(root: YamlNode): ConfigNode | undefined {
    const node = this.#node(root, [], 0)
    return this.#gaveUp ? undefined : node
  }

  #at(node: YamlNode): Position {
    return position(this.#parsed.lines, node.range?.[0] ?? 0)
  }

  /** `open` holds the nodes that this one is inside of: an alias to one of them never ends. */
  #node(node: YamlNode, open: readonly YamlNode[], depth: number): ConfigNode {
    const at = this.#at(node)
    if (this.#gaveUp) return scalar(at, null)
    this.#values += 1
    if (this.#values > valuesMax) {
      return this.#giveUp(
        at,
        `the file has more than ${valuesMax} values once its aliases are replaced`,
      )
    }
    if (depth > depthMax)
      return this.#giveUp(at, `the file is nested deeper than ${depthMax} levels`)
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source)
      if (target === undefined) return this.#giveUp(at, `*${node.source} has no anchor before it`)
      if (open.includes(target)) return this.#giveUp(at, `*${node.source} contains itself`)
      return this.#node(target, open, depth + 1)
    }
    if ('anchor' in node && typeof node.anchor === 'string') this.#anchors.set(node.anchor, node)
    const inside = [...open, node]
    if (isSeq(node)) {
      return list(
        at,
        node.items.map((item) => this.#node(item as YamlNode, inside, depth + 1)),
      )
    }
    if (isMap(node)) return this.#map(node.items, at, inside, depth)
    return this.#scalar(node, at)
  }

  #scalar(node: YamlNode, at: Position): ConfigNode {
    const value: unknown = isScalar(node) ? node.value : null
    const source = isScalar(node) ? node.source : undefined
    if (typeof value === 'number' && !Number.isFinite(value)) {
      this.#findings.error(at, '', `${source ?? value} is not a number that JSON can hold`)
      return scalar(at, null)
    }
    // A tag such as !!binary makes objects: they count as the text that was written.
    const result = scalar(at, isPlainValue(value) ? value : (source ?? ''))
    const text = source ?? result.text
    const plain = isScalar(node) && node.type === 'PLAIN'
    return { ...result, text, source: text, plain }
  }

  #map(pairs: readonly Pair[], at: Position, open: readonly YamlNode[], depth: number): MapNode {
    const result = map(at)
    for (const pair of pairs) {
      const keyNode = pair.key as YamlNode
      const keyAt = this.#at(keyNode)
      const key = isScalar(keyNode) ? keyNode.value : undefined
      const value =
        pair.value === null
          ? scalar(keyAt, null)
          : this.#node(pair.value as YamlNode, open, depth + 1)
      if (key === '<<') this.#merge(result, value)
      else if (typeof key !== 'string') {
        const written = isScalar(keyNode) ? String(keyNode.source ?? key) : 'a list or a map'
        this.#findings.error(keyAt, '', `a key must be text, not ${written}`, 'put it in quotes')
      } else if (key === '__proto__') {
        this.#findings.error(keyAt, '', 'the key __proto__ is not allowed')
      } else {
        this.#put(result, key, value, keyAt)
      }
    }
    return result
  }

  #put(result: MapNode, key: string, value: ConfigNode, keyAt: Position): void {
    const earlier = result.entries.get(key)
    if (earlier !== undefined && !this.#merged.has(earlier)) {
      this.#findings.error(
        keyAt,
        '',
        `the key ${JSON.stringify(key)} is here for the second time; the first is in line ${earlier.at.line}`,
        'keep one of them',
      )
      return
    }
    setKey(result, key, value, keyAt)
  }

  /** Entries that came through `<<`: keys of the map itself replace them. */
  readonly #merged = new WeakSet<object>()

  #merge(result: MapNode, value: ConfigNode): void {
    const sources = value.kind === 'list' ? value.items : [value]
    for (const source of sources) {
      if (source.kind !== 'map') {
        this.#findings.error(source.at, '', '<< takes a map', 'name an anchor of a map: <<: *name')
        continue
      }
      for (const [key, entry] of source.entries) {
        if (result.entries.has(key)) continue
        this.#merged.add(entry)
        result.entries.set(key, entry)
      }
    }
  }

  #giveUp(at: Position, message: string): ConfigNode {
    if (!this.#gaveUp) this.#findings.error(at, '', message)
    this.#gaveUp = true
    return scalar(at, null)
  }
}

function isPlainValue(value: unknown): value is ScalarNode['value'] {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value)
}

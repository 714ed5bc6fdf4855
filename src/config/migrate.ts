import { basename } from 'node:path'
import { Document, Scalar } from 'yaml'
import { checkSchema } from './check-schema.ts'
import type { ConfigNode, ConfigPath, MapNode, ScalarNode } from './config-node.ts'
import { findDuplicateNames } from './duplicate-names.ts'
import { parseDurationMs } from './duration.ts'
import { invalidConfiguration } from './finding.ts'
import type { Environment } from './interpolate.ts'
import type { ConfigForm, NativeTree } from './legacy.ts'
import { readConfig } from './read-config.ts'
import { configSchema } from './schema.ts'
import { keysOf } from './schema-issues.ts'

/** What migrating depends on besides the file. */
export interface MigrateOptions {
  /** Variables stay variables; these are needed where one stands inside a Python expression. */
  readonly env: Environment
  readonly cwd?: string
}

/**
 * Writes a configuration in the native form: YAML that `loadSettings` reads to the same settings
 * as the file itself. Variables stay variables, durations get their unit, client ids their quotes,
 * and what is the default anyway is left out. Comments of the file are not carried over. The same
 * file always gives the same text.
 *
 * @throws EdgebootError `CONFIG_INVALID` with every mistake, `CONFIG_NOT_FOUND`.
 */
export function migrateDocument(file: string, options: MigrateOptions): string {
  const cwd = options.cwd === undefined ? {} : { cwd: options.cwd }
  const { tree, findings } = readConfig(file, options.env, { ...cwd, keepMissing: true })
  if (tree === undefined) throw invalidConfiguration(file, findings.all)
  // The check takes out variables that are not set where they are not text. Scalars are shared.
  const whole = withSharedScalars(tree.root)
  findDuplicateNames(tree.root, findings)
  checkSchema(tree.root, findings)
  findings.throwIfInvalid()
  const document = new Document(writable(whole, []))
  const body = document.toString({ lineWidth: 0, flowCollectionPadding: true })
  return `${header(file, tree)}\n${body}`
}

function withSharedScalars(node: ConfigNode): ConfigNode {
  if (node.kind === 'scalar') return node
  if (node.kind === 'list') return { ...node, items: node.items.map(withSharedScalars) }
  const entries = [...node.entries].map(
    ([key, entry]) => [key, { ...entry, value: withSharedScalars(entry.value) }] as const,
  )
  return { ...node, entries: new Map(entries) }
}

const formNames: Readonly<Record<ConfigForm, string>> = {
  v0: 'pyboot v0 (edge)',
  v1: 'pyboot v1',
  v2: 'pyboot v2 (parse expressions)',
  v3: 'pyboot v3 (deviceAttr)',
  native: 'the native form',
}

function header(file: string, { form, ignored }: NativeTree): string {
  const lines = [
    `Written by edgeboot migrate from ${basename(file)}, which was in ${formNames[form]}.`,
  ]
  if (ignored.has('expose')) {
    lines.push(
      'Its expose section, for the container platform of pyboot, has no meaning here and is left out;',
    )
    lines.push('edgeboot serves HTTP where web.host and web.port say (default 127.0.0.1:5888).')
  }
  const others = [...ignored.keys()].filter((key) => key !== 'expose')
  if (others.length > 0) lines.push(`Left out, since they change nothing: ${others.join(', ')}.`)
  // A file name may hold anything, a line break included.
  return lines.map((line) => `# ${line.replaceAll(/\p{Cc}/gu, ' ')}\n`).join('')
}

/** The tree as the YAML library writes it, keys in the order of the schema. */
function writable(node: ConfigNode, path: ConfigPath): unknown {
  if (node.kind === 'scalar') return writableScalar(node, path)
  if (node.kind === 'list') return node.items.map((item, index) => writable(item, [...path, index]))
  const known = keysOf(configSchema, path)
  const rank = (key: string): number => (known.includes(key) ? known.indexOf(key) : known.length)
  const keys = [...node.entries.keys()].sort((a, b) => rank(a) - rank(b))
  const result = new Map<string, unknown>()
  for (const key of keys) {
    const value = node.entries.get(key)?.value
    if (value === undefined || isDefault(node, path, key, value)) continue
    result.set(key, writable(value, [...path, key]))
  }
  return result
}

/** Keys whose bare numbers are seconds. */
const durationKeys: ReadonlySet<string> = new Set([
  'timeout',
  'delay',
  'keepAlive',
  'connectTimeout',
  'idleTimeout',
  'totalTimeout',
  'sessionExpiry',
  'maxAge',
])

function isUserData(path: ConfigPath): boolean {
  return path[0] === 'funcs' && (path[2] === 'params' || path[2] === 'env')
}

function writableScalar(node: ScalarNode, path: ConfigPath): unknown {
  if (node.source.includes('${')) {
    const scalar = new Scalar(node.source)
    scalar.type = node.plain ? Scalar.PLAIN : Scalar.QUOTE_DOUBLE
    return scalar
  }
  const isBare = /^\d+(?:\.\d+)?$/.test(String(node.value))
  if (isBare && durationKeys.has(String(path.at(-1))) && !isUserData(path)) return `${node.value}s`
  return node.value
}

/** Whether a key says what is the case without it. */
function isDefault(parent: MapNode, path: ConfigPath, key: string, value: ConfigNode): boolean {
  if (value.kind !== 'scalar' || isUserData([...path, key]) || value.source.includes('${'))
    return false
  const place = `${path[0]}.${path.slice(2).join('.')}.${key}`
  if (place === 'mqtts..qos') return value.value === 0
  if (place === 'mqtts..retain') return value.value === false
  if (place === 'rules.pub.timeout') return parseDurationMs(String(value.value)) === 10_000
  if (place === 'funcs..name') {
    const modelName = parent.entries.get('modelName')?.value
    return modelName?.kind === 'scalar' && modelName.value === value.value
  }
  return false
}

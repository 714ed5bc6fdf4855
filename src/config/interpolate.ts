import { parseDocument } from 'yaml'
import { isTopicPlaceholder, placeholderNames } from '../core/topic-template.ts'
import {
  eachScalar,
  formatPath,
  type ConfigNode,
  type ConfigPath,
  type ScalarNode,
} from './config-node.ts'
import type { Findings } from './finding.ts'
import { nearestWord } from './nearest-word.ts'

/** Variables as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** `$${` is a literal `${`; `${NAME}` and `${NAME:default}` are variables. */
const reference = /\$\$\{|\$\{([^}]*)\}/g
const variable = /^([A-Za-z_]\w*)(?::(.*))?$/s

/** Keys whose values are templates. */
const templateKeys: ReadonlySet<string> = new Set([
  'pub.topic',
  'onError.deadLetter',
  'on_error.dead_letter',
  'post_topic',
])

/** Whether the value at this path is a topic template. */
function isTemplate(path: ConfigPath): boolean {
  const last = path.at(-1)
  const parent = path.at(-2)
  return templateKeys.has(`${String(parent)}.${String(last)}`) || templateKeys.has(String(last))
}

/**
 * Replaces `${NAME}` and `${NAME:default}` in every value by environment variables, in place. A
 * value that was written without quotes is read as YAML again, so that `${PORT}` is a number. A
 * variable that is not set and has no default is a mistake, unless `keepMissing` leaves it as it
 * stands.
 *
 * Keys are never replaced, and nothing that comes from a variable is looked at again.
 */
export function interpolate(
  root: ConfigNode,
  env: Environment,
  findings: Findings,
  options: { keepMissing?: boolean } = {},
): void {
  eachScalar(root, (node, path) => {
    if (typeof node.value !== 'string' || !node.source.includes('${')) return
    const inserter = new Inserter(node, path, env, findings, options.keepMissing ?? false)
    const text = node.value.replaceAll(reference, (whole, inside?: string) =>
      inserter.insert(whole, inside),
    )
    node.text = text
    node.value = inserter.replaced && node.plain ? plainValue(text) : text
    node.interpolated = inserter.replaced
    node.unresolved = inserter.unresolved
  })
}

class Inserter {
  readonly #node: ScalarNode
  readonly #path: ConfigPath
  readonly #env: Environment
  readonly #findings: Findings
  readonly #keepMissing: boolean
  replaced = false
  unresolved = false

  constructor(
    node: ScalarNode,
    path: ConfigPath,
    env: Environment,
    findings: Findings,
    keepMissing: boolean,
  ) {
    this.#node = node
    this.#path = path
    this.#env = env
    this.#findings = findings
    this.#keepMissing = keepMissing
  }

  insert(whole: string, inside: string | undefined): string {
    if (inside === undefined) return '${'
    if (isTemplate(this.#path) && isTopicPlaceholder(whole)) return whole
    const match = variable.exec(inside)
    const [, name, fallback] = match ?? []
    if (name === undefined) {
      this.unresolved = true
      this.#error(
        `${whole} names no variable`,
        'write ${NAME} or ${NAME:default}; $${ is a plain ${',
      )
      return whole
    }
    const value = Object.hasOwn(this.#env, name) ? this.#env[name] : undefined
    if (value === undefined && fallback === undefined) {
      this.unresolved = true
      if (this.#keepMissing) this.replaced = true
      else this.#missing(name)
      return whole
    }
    this.replaced = true
    return value ?? fallback ?? ''
  }

  #missing(name: string): void {
    const meant = isTemplate(this.#path) ? nearestWord(name, placeholderNames) : undefined
    const hint =
      meant === undefined
        ? `set it, or give a default: \${${name}:default}`
        : `did you mean \${${meant}}?`
    this.#error(`the environment variable ${name} is not set`, hint)
  }

  #error(message: string, suggestion: string): void {
    this.#findings.error(this.#node.at, formatPath(this.#path), message, suggestion)
  }
}

/** What YAML makes of a plain scalar; text that would be anything else stays text. */
function plainValue(text: string): string | number | boolean | null {
  if (!/^[\w.+-]*$/.test(text)) return text
  const value: unknown = parseDocument(text, { logLevel: 'silent' }).toJS()
  if (typeof value === 'number') return Number.isFinite(value) ? value : text
  return typeof value === 'boolean' || value === null ? value : text
}

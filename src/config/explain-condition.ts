import {
  celFailure,
  evaluateNode,
  nodeText,
  parseCondition,
  type ConditionNode,
  type PredicateInput,
} from './cel.ts'
import { alternatives, comparisonOf, conjuncts, truthOf, type Operator } from './condition-parts.ts'
import { findPath, missingKey, type FoundPath } from './condition-path.ts'
import { shownKeys, shownText, shownValue } from './shown-value.ts'

/** Why a condition does not hold for one message. Every text is short, however large the message. */
export interface ConditionFinding {
  /** In a sentence without a full stop: `telemetry.temperature is 12, not > 80`. */
  readonly found: string
  /** What the message has, and what it would need; absent where no two values are compared. */
  readonly actual?: string
  readonly expected?: string
}

/** Parts of one condition that are told of. */
const findingsMax = 3
/** Places that are told of for a part that is no plain comparison. */
const pathsMax = 4

/**
 * Why a condition does not hold: finds the part that decides, and what the message has in its
 * place. For people who ask; matching takes `compilePredicate`, and the verdict is the same.
 * Nothing of a message is run, and nothing in it makes this throw.
 *
 * @param expression - One that compiles.
 * @returns `undefined` when it holds.
 */
export function explainCondition(
  expression: string,
  input: PredicateInput,
): ConditionFinding | undefined {
  const { evaluate, node } = parseCondition(expression)
  try {
    const value = evaluate({ ...input, data_to_dict: input.event })
    if (value === true) return undefined
    if (value !== false) {
      return { found: `${shownNode(node)} is ${shownValue(value)}, neither true nor false` }
    }
  } catch {
    // Which part it is that cannot be evaluated, and why, comes out below.
  }
  const findings = new Decision(input).of(node).slice(0, findingsMax)
  const [first] = findings
  if (first !== undefined && findings.length === 1) return first
  return { found: findings.map(({ found }) => found).join('; and ') }
}

type Verdict = 'true' | 'false' | 'error'

/** Finds the parts that decide that a condition does not hold. */
class Decision {
  readonly #input: PredicateInput

  constructor(input: PredicateInput) {
    this.#input = input
  }

  of(node: ConditionNode): ConditionFinding[] {
    const all = conjuncts(node)
    if (all.length > 1) {
      const verdicts = all.map((part) => this.#verdict(part))
      // What is false decides, before what cannot be evaluated.
      const falseAt = verdicts.indexOf('false')
      const at = falseAt === -1 ? verdicts.indexOf('error') : falseAt
      return this.of(all[at] ?? node)
    }
    const either = alternatives(node)
    if (either !== undefined) {
      const findings = either.filter((part) => part.op !== 'value').flatMap((part) => this.of(part))
      return findings.length === 0 ? [this.#leaf(node)] : findings
    }
    if (node.op === '?:') {
      const [condition, then, otherwise] = node.args
      const verdict = this.#verdict(condition)
      if (verdict === 'error') return this.of(condition)
      return this.of(verdict === 'true' ? then : otherwise)
    }
    return [this.#leaf(node)]
  }

  #verdict(node: ConditionNode): Verdict {
    const value = this.#value(node)
    return value.failure === undefined && typeof value.value === 'boolean'
      ? value.value
        ? 'true'
        : 'false'
      : 'error'
  }

  #value(node: ConditionNode): { value?: unknown; failure?: string } {
    try {
      return { value: evaluateNode(node, this.#input) }
    } catch (thrown) {
      return { failure: celFailure(thrown) }
    }
  }

  #leaf(node: ConditionNode): ConditionFinding {
    const comparison = comparisonOf(node)
    if (comparison === undefined) return this.#other(node)
    const left = this.#operand(comparison.left)
    const right = this.#operand(comparison.right)
    // Of a container that is not there, there is more to say than of a key that is.
    const missing = left.missing ?? right.missing
    if (missing !== undefined) {
      const wanted = right.missing === undefined ? right : left
      return {
        found: missing,
        actual: 'nothing',
        expected: expectation(comparison.operator, wanted.shown),
      }
    }
    if (comparison.operator === 'in' || comparison.operator === 'not in') {
      return membership(comparison.operator, left, right)
    }
    return compared(comparison.operator, left, right, this.#value(node).failure)
  }

  #operand(node: ConditionNode): Operand {
    const path = findPath(node, this.#input)
    if (path !== undefined) {
      const shown = path.missing === undefined ? shownValue(path.value) : path.text
      return { ...path, shown, isLiteral: false }
    }
    const { value, failure } = this.#value(node)
    const text = shownNode(node)
    if (failure !== undefined) {
      const why = this.#missingIn(node)[0] ?? `${text} cannot be worked out: ${cutClause(failure)}`
      return { text, missing: why, shown: text, isLiteral: false }
    }
    const isLiteral = node.op === 'value' || node.op === 'list' || node.op === '-_'
    return { text, value, shown: shownValue(value), isLiteral }
  }

  /** A call, a variable by itself, or arithmetic: what it says, and what the message has there. */
  #other(node: ConditionNode): ConditionFinding {
    const tested = truthOf(node)
    const path = findPath(tested.node, this.#input)
    if (path !== undefined) {
      if (path.missing !== undefined) return { found: path.missing, actual: 'nothing' }
      const actual = shownValue(path.value)
      const wanted = tested.negated ? 'it must be false or empty' : 'it must be true'
      return { found: `${path.text} is ${actual}, and ${wanted}`, actual }
    }
    const { failure } = this.#value(node)
    const paths = this.#pathsIn(node)
    const places = paths.slice(0, pathsMax).map(placeText)
    const says = failure === undefined ? 'is false' : `cannot be answered (${cutClause(failure)})`
    const [only] = places
    const tail = only === undefined ? '' : `: ${places.join(', ')}`
    return { found: `${shownNode(node)} ${says}${tail}` }
  }

  #missingIn(node: ConditionNode): string[] {
    return this.#pathsIn(node).flatMap(({ missing }) => missing ?? [])
  }

  /** The places that a part names, each once. */
  #pathsIn(node: ConditionNode): FoundPath[] {
    const paths = new Map<string, FoundPath>()
    const visit = (part: unknown): void => {
      if (Array.isArray(part)) part.forEach(visit)
      if (!isNode(part)) return
      const path = findPath(part, this.#input)
      if (path === undefined) visit(part.args)
      else paths.set(path.text, path)
    }
    visit(node)
    return [...paths.values()]
  }
}

interface Operand extends FoundPath {
  /** Its value in a sentence. */
  readonly shown: string
  readonly isLiteral: boolean
}

function compared(
  operator: Operator,
  left: Operand,
  right: Operand,
  failure: string | undefined,
): ConditionFinding {
  const actual = left.shown
  const wanted = right.isLiteral ? right.shown : `${right.text}, which is ${right.shown}`
  const expected = expectation(operator, right.shown)
  const subject = left.isLiteral ? actual : `${left.text} is ${actual}`
  if (failure !== undefined) {
    const found = `${subject} (${typeName(left.value)}), which cannot be compared with ${wanted} (${typeName(right.value)})`
    return { found, actual, expected }
  }
  if (operator === '!=') return { found: `${subject}, and must not be`, actual, expected }
  const found = `${subject}, not ${operator === '==' ? '' : `${operator} `}${wanted}`
  return { found, actual, expected }
}

function membership(operator: 'in' | 'not in', left: Operand, right: Operand): ConditionFinding {
  const { value: container } = right
  const item = left.isLiteral ? left.shown : `${left.text}, which is ${left.shown},`
  if (operator === 'not in') {
    const found = `${item} is in ${right.text}, and must not be`
    return { found, actual: right.shown, expected: expectation(operator, left.shown) }
  }
  const expected = left.shown
  if (right.isLiteral) {
    const found = `${left.isLiteral ? left.shown : `${left.text} is ${left.shown}`}, which is not in ${right.shown}`
    return { found, actual: left.shown, expected: `one of ${right.shown}` }
  }
  if (typeof container === 'object' && container !== null && !Array.isArray(container)) {
    const found =
      typeof left.value === 'string'
        ? missingKey(right.text, container, left.value)
        : `${item} is no key of ${right.text}; it has: ${shownKeys(container)}`
    return { found, actual: shownKeys(container) || 'nothing', expected }
  }
  const found = `${right.text} is ${right.shown}, which does not have ${item.replace(/,$/, '')}`
  return { found, actual: right.shown, expected }
}

function placeText({ text, value, missing }: FoundPath): string {
  return missing ?? `${text} is ${shownValue(value)}`
}

function shownNode(node: ConditionNode): string {
  const text = nodeText(node)
  // Of a condition in Python nobody has seen the translation.
  if (/\bpy(?:Equal|Less|LessOrEqual|In|True|Item)\(/.test(text)) return 'it'
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}

/** What is wanted, where the comparison has it. */
function expectation(operator: Operator, shown: string): string {
  if (operator === '==' || operator === 'in') return shown
  if (operator === '!=' || operator === 'not in') return `not ${shown}`
  return `${operator} ${shown}`
}

/** Errors of CEL may go over several lines and quote at length. */
function cutClause(text: string): string {
  return shownText(text.replaceAll(/\s+/g, ' ')).slice(1, -1)
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'number' || typeof value === 'bigint') return 'a number'
  if (typeof value === 'string') return 'a text'
  return typeof value === 'boolean' ? 'true or false' : 'a map'
}

function isNode(part: unknown): part is ConditionNode {
  return typeof part === 'object' && part !== null && 'op' in part && 'args' in part
}

import { Environment, serialize, type ASTNode, type ParseResult } from '@marcbachmann/cel-js'
import { EdgebootError } from '../core/errors.ts'
import {
  pythonEquals,
  pythonIn,
  pythonItem,
  pythonLess,
  pythonLessOrEqual,
  pythonTruth,
} from './python-semantics.ts'

/** What a condition can see. */
export interface PredicateInput {
  /** The decoded message. */
  readonly event: unknown
  /** `telemetry` of the message; may be absent. */
  readonly telemetry?: unknown
  /** Name of the device entry that fits; empty when the func names no devices. */
  readonly device: string
  readonly topic: string
}

/** A part of a condition, as its parser understood it. */
export type ConditionNode = ASTNode

/** What the variables of a condition are. */
export interface ConditionScope extends PredicateInput {
  /** pyboot's name of `event`. */
  readonly data_to_dict: unknown
}

/** A condition that was read and checked. */
export interface ParsedCondition {
  /** Throws what CEL throws. The library's own function: asked for every message. */
  readonly evaluate: (scope: ConditionScope) => unknown
  readonly node: ConditionNode
}

/** The language of conditions: CEL with five names, and Python's operators as functions. */
const environment = new Environment({ homogeneousAggregateLiterals: false })
  .registerVariable('event', 'dyn')
  .registerVariable('telemetry', 'dyn')
  .registerVariable('device', 'string')
  .registerVariable('topic', 'string')
  .registerVariable('data_to_dict', 'dyn')
  .registerOperator('string in string', (part: string, whole: string) => whole.includes(part))
  .registerFunction('pyEqual(dyn, dyn): bool', pythonEquals)
  .registerFunction('pyLess(dyn, dyn): bool', pythonLess)
  .registerFunction('pyLessOrEqual(dyn, dyn): bool', pythonLessOrEqual)
  .registerFunction('pyIn(dyn, dyn): bool', pythonIn)
  .registerFunction('pyTrue(dyn): bool', pythonTruth)
  .registerFunction('pyItem(dyn, dyn): dyn', pythonItem)

/** Longer conditions are refused. */
const expressionCharsMax = 20_000

/**
 * Reads a condition in CEL over `event`, `telemetry`, `device` and `topic` (`data_to_dict` is
 * pyboot's name of `event`). The one file that knows the library.
 *
 * @throws EdgebootError `CONFIG_INVALID` with a caret under the place; `details.offset` counts
 * its characters from 0.
 */
export function parseCondition(expression: string): ParsedCondition {
  if (expression.length > expressionCharsMax) {
    throw invalid(expression.slice(0, 80), 0, `it is longer than ${expressionCharsMax} characters`)
  }
  let parsed: ParseResult
  try {
    parsed = environment.parse(expression)
  } catch (thrown) {
    throw invalidCel(expression, thrown)
  }
  const check = parsed.check()
  if (!check.valid) throw invalidCel(expression, check.error)
  if (check.type !== 'bool' && check.type !== 'dyn') {
    throw invalid(expression, 0, `it gives ${check.type ?? 'nothing'}, not true or false`)
  }
  return { evaluate: parsed as (scope: ConditionScope) => unknown, node: parsed.ast }
}

/** The value of a part of a condition by itself; of any type. Throws what CEL throws. */
export function evaluateNode(node: ConditionNode, input: PredicateInput): unknown {
  return environment.parse(serialize(node))({ ...input, data_to_dict: input.event }) as unknown
}

/** A part of a condition as text, in one spelling whatever the file's was. */
export function nodeText(node: ConditionNode): string {
  return serialize(node)
}

/** What CEL says of a failure, in one clause. */
export function celFailure(thrown: unknown): string {
  const summary = summaryOf(thrown)
  // CEL calls a variable unknown when the message does not have it.
  return summary === 'Unknown variable: telemetry' ? 'the message has no telemetry' : summary
}

function invalidCel(expression: string, thrown: unknown): EdgebootError {
  const range = isCelError(thrown) ? thrown.range : undefined
  return invalid(expression, range?.start ?? 0, summaryOf(thrown), thrown)
}

function invalid(expression: string, offset: number, why: string, cause?: unknown): EdgebootError {
  const reason = `is not a valid condition: ${why}`
  const text = expression.replaceAll(/\s/g, ' ')
  const message = `the expression ${reason}\n  ${text}\n  ${' '.repeat(offset)}^`
  return new EdgebootError('CONFIG_INVALID', message, { details: { offset, reason }, cause })
}

interface CelError extends Error {
  readonly summary: string
  readonly code: string
  readonly range?: { readonly start: number }
}

function isCelError(thrown: unknown): thrown is CelError {
  return thrown instanceof Error && 'summary' in thrown && typeof thrown.summary === 'string'
}

function summaryOf(thrown: unknown): string {
  if (isCelError(thrown)) return thrown.summary
  return thrown instanceof Error ? thrown.message : String(thrown)
}

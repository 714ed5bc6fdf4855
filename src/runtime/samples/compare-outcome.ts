import { exactJsonText, parseExactJson } from '../../core/exact-json.ts'
import type { ModelSample, Tolerance } from '../../models/model-sample.ts'
import type { InferOutcome, ModelError } from '../runner.ts'

/** Of a value that is shown in a sentence. */
const shownCharsMax = 120

/**
 * Compares what a model answered to a sample with what its author vouches for.
 *
 * Numbers may differ by `absolute + relative × |expected|`, the rule of numpy's `isclose`; integers
 * beyond 2^53 and everything else must be the same, keys in any order.
 *
 * @returns Nothing when it fits, else a clause that names the sample, the place of the first
 * difference, what came and what was expected.
 */
export function compareOutcome(sample: ModelSample, outcome: InferOutcome): string | undefined {
  const difference = differenceOf(sample, outcome)
  return difference === undefined ? undefined : `${sample.label}: ${difference}`
}

function differenceOf(
  { expected, tolerance }: ModelSample,
  outcome: InferOutcome,
): string | undefined {
  if (outcome.kind === 'error') {
    if (expected.kind === 'error' && expected.type === outcome.error.type) return undefined
    const wanted =
      expected.kind === 'result'
        ? show(expected.value)
        : { nothing: 'nothing to publish', anything: 'any result', error: '' }[expected.kind]
    return `it raised ${errorText(outcome.error)}, expected ${expected.kind === 'error' ? expected.type : wanted}`
  }
  if (expected.kind === 'anything') return undefined
  if (outcome.kind === 'empty') {
    if (expected.kind === 'nothing') return undefined
    const wanted = expected.kind === 'error' ? `a ${expected.type}` : show(expected.value)
    return `it gave nothing to publish, expected ${wanted}`
  }
  const text = new TextDecoder().decode(outcome.payload)
  if (expected.kind !== 'result') {
    const wanted = expected.kind === 'error' ? `a ${expected.type}` : 'nothing to publish'
    return `the result is ${cut(text)}, expected ${wanted}`
  }
  let value: unknown
  try {
    value = parseExactJson(text)
  } catch {
    return `the result is no JSON: ${cut(text)}, expected ${show(expected.value)}`
  }
  return firstDifference(value, expected.value, tolerance, 'result')
}

function firstDifference(
  got: unknown,
  expected: unknown,
  tolerance: Tolerance,
  path: string,
): string | undefined {
  if (typeof got === 'number' && typeof expected === 'number') {
    if (Math.abs(got - expected) <= tolerance.absolute + tolerance.relative * Math.abs(expected)) {
      return undefined
    }
    const { absolute, relative } = tolerance
    return `${path} is ${got}, expected ${expected} (tolerance ${absolute} + ${relative} × ${Math.abs(expected)})`
  }
  if (Array.isArray(got) && Array.isArray(expected)) {
    if (got.length !== expected.length) {
      return `${path} has ${got.length} elements, expected ${expected.length}`
    }
    for (const [index, element] of expected.entries()) {
      const found = firstDifference(got[index], element, tolerance, `${path}[${index}]`)
      if (found !== undefined) return found
    }
    return undefined
  }
  if (isObject(got) && isObject(expected)) return objectDifference(got, expected, tolerance, path)
  if (got === expected) return undefined
  return `${path} is ${show(got)}, expected ${show(expected)}`
}

function objectDifference(
  got: Readonly<Record<string, unknown>>,
  expected: Readonly<Record<string, unknown>>,
  tolerance: Tolerance,
  path: string,
): string | undefined {
  for (const [key, value] of Object.entries(expected)) {
    const place = `${path}${step(key)}`
    if (!Object.hasOwn(got, key)) return `${place} is missing, expected ${show(value)}`
    const found = firstDifference(got[key], value, tolerance, place)
    if (found !== undefined) return found
  }
  for (const [key, value] of Object.entries(got)) {
    if (!Object.hasOwn(expected, key))
      return `${path}${step(key)} is ${show(value)}, and is not expected`
  }
  return undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function step(key: string): string {
  return /^[a-z_$][\w$]*$/i.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}

function errorText({ type, message, where }: ModelError): string {
  return `${type}: ${cut(message)}${where === undefined ? '' : ` at ${where}`}`
}

function show(value: unknown): string {
  return cut(exactJsonText(value))
}

function cut(text: string): string {
  return text.length <= shownCharsMax ? text : `${text.slice(0, shownCharsMax)}…`
}

import { byCodePoint } from '../core/by-code-point.ts'

/**
 * Python's meaning of its operators over JSON values, for conditions that were written for
 * pyboot. Numbers may come as `number` (from JSON) or `bigint` (literals of CEL). What raises in
 * Python throws here, and the condition does not hold.
 *
 * One difference remains: JSON integers beyond ±2^53 are rounded, as everywhere in JavaScript.
 */

/** Python's `==`: `True == 1`, deep for lists and dictionaries, false across other types. */
export function pythonEquals(a: unknown, b: unknown): boolean {
  const left = asNumber(a)
  const right = asNumber(b)
  if (left !== undefined || right !== undefined) return left === right
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => pythonEquals(item, b[index]))
  }
  if (isDictionary(a) && isDictionary(b)) {
    const keys = Object.keys(a)
    if (keys.length !== Object.keys(b).length) return false
    return keys.every((key) => Object.hasOwn(b, key) && pythonEquals(a[key], b[key]))
  }
  return a === b
}

/** Python's `<`: numbers and booleans, strings by code point, lists item by item. */
export function pythonLess(a: unknown, b: unknown): boolean {
  return pythonCompare(a, b, '<') < 0
}

/** Python's `<=`. */
export function pythonLessOrEqual(a: unknown, b: unknown): boolean {
  return pythonCompare(a, b, '<=') <= 0
}

function pythonCompare(a: unknown, b: unknown, operator: string): number {
  const left = asNumber(a)
  const right = asNumber(b)
  if (left !== undefined && right !== undefined) return left < right ? -1 : Number(left > right)
  if (typeof a === 'string' && typeof b === 'string') return byCodePoint(a, b)
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      if (!pythonEquals(a[i], b[i])) return pythonCompare(a[i], b[i], operator)
    }
    return a.length - b.length
  }
  throw new TypeError(`${typeName(a)} ${operator} ${typeName(b)} has no meaning`)
}

/** Python's `in`: keys of a dictionary, items of a list, parts of a string. */
export function pythonIn(a: unknown, b: unknown): boolean {
  if (Array.isArray(b)) return b.some((item) => pythonEquals(a, item))
  if (typeof b === 'string' && typeof a === 'string') return b.includes(a)
  if (isDictionary(b)) {
    if (typeof a === 'object' && a !== null) throw new TypeError(`a ${typeName(a)} is no key`)
    return typeof a === 'string' && Object.hasOwn(b, a)
  }
  throw new TypeError(`${typeName(a)} in ${typeName(b)} has no meaning`)
}

/** Python's truth: empty strings, lists and dictionaries, zero and `None` are false. */
export function pythonTruth(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0
  if (isDictionary(value)) return Object.keys(value).length > 0
  return Boolean(value)
}

/** Python's `container[index]`, negative indexes included. */
export function pythonItem(container: unknown, index: unknown): unknown {
  if (isDictionary(container)) {
    if (typeof index === 'string' && Object.hasOwn(container, index)) return container[index]
    throw new RangeError(`No such key: ${String(index)}`)
  }
  const items = typeof container === 'string' ? Array.from(container) : container
  const position = asNumber(index)
  if (!Array.isArray(items) || position === undefined || !Number.isInteger(position)) {
    throw new TypeError(`${typeName(container)}[${typeName(index)}] has no meaning`)
  }
  const item: unknown = items.at(position)
  if (item === undefined) throw new RangeError(`No such index: ${position}`)
  return item
}

function asNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint' || typeof value === 'boolean') return Number(value)
  return undefined
}

function isDictionary(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'list'
  return typeof value === 'object' ? 'map' : typeof value
}

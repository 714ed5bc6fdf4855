import type { ConditionNode, PredicateInput } from './cel.ts'
import { nearestWord } from './nearest-word.ts'
import { shownKeys, shownText, shownValue } from './shown-value.ts'

/** A place in a message that a condition names, and what is there. */
export interface FoundPath {
  /** As people read it: `telemetry.temperature`, `deviceInfo.deviceName`, `the message`. */
  readonly text: string
  /** What is there; absent when nothing is. */
  readonly value?: unknown
  /** A clause that says where the way ends; absent when something is there. */
  readonly missing?: string
}

/** Keys that are compared with the one that is missing. */
const comparedKeysMax = 200

/** What is at the place that a part of a condition names; `undefined` for a part that names none. */
export function findPath(node: ConditionNode, input: PredicateInput): FoundPath | undefined {
  const steps = stepsOf(node)
  if (steps === undefined) return undefined
  const [root, ...keys] = steps
  if (root === 'device') return variable('the device', input.device, keys)
  if (root === 'topic') return variable('the topic', input.topic, keys)
  return follow(input.event, root === 'telemetry' ? ['telemetry', ...keys] : keys)
}

/** `container has no key; it has: …`, with the key that was probably meant. */
export function missingKey(container: string, value: object, key: string): string {
  const keys = Object.keys(value)
  if (keys.length === 0) return `${container} has no ${plainKey(key)}; it is empty`
  // One letter for another makes any two short words alike.
  const near = key.length < 3 ? [] : keys.slice(0, comparedKeysMax)
  const meant = nearestWord(key, near)
  const hint = meant === undefined ? '' : ` (did you mean ${shownText(meant).slice(1, -1)}?)`
  return `${container} has no ${plainKey(key)}; it has: ${shownKeys(value)}${hint}`
}

type Step = string | number

function variable(text: string, value: unknown, keys: readonly Step[]): FoundPath | undefined {
  return keys.length === 0 ? { text, value } : undefined
}

function follow(event: unknown, keys: readonly Step[]): FoundPath {
  let value = event
  let text = ''
  const place = (): string => (text === '' ? 'the message' : text)
  const whole = keys.reduce<string>(pathText, '') || 'the message'
  for (const key of keys) {
    if (Array.isArray(value) && typeof key === 'number') {
      const items: readonly unknown[] = value
      const index = key < 0 ? key + items.length : key
      if (!(index in items)) {
        return { text: whole, missing: `${place()} has ${items.length} items, and none at ${key}` }
      }
      value = items[index]
    } else if (isMap(value) && typeof key === 'string') {
      if (!Object.hasOwn(value, key)) {
        return { text: whole, missing: missingKey(place(), value, key) }
      }
      value = value[key]
    } else {
      const what = `${place()} is ${shownValue(value)}, and has no ${plainKey(String(key))}`
      return { text: whole, missing: what }
    }
    text = pathText(text, key)
  }
  return { text: whole, value }
}

function pathText(before: string, key: Step): string {
  if (typeof key === 'number') return `${before || 'the message'}[${key}]`
  if (!isWord(key)) return `${before}[${shownText(key)}]`
  return before === '' ? key : `${before}.${key}`
}

function plainKey(key: string): string {
  return isWord(key) ? key : shownText(key)
}

function isWord(key: string): boolean {
  return key.length <= 40 && /^[\p{L}_][\p{L}\p{M}\p{N}_-]*$/u.test(key)
}

/** The variable and the keys after it. */
function stepsOf(node: ConditionNode): [string, ...Step[]] | undefined {
  if (node.op === 'id') {
    const isVariable = /^(?:event|data_to_dict|telemetry|device|topic)$/.test(node.args)
    return isVariable ? [node.args] : undefined
  }
  const parts = containerAndKey(node)
  if (parts === undefined) return undefined
  const before = stepsOf(parts.container)
  return before === undefined ? undefined : [...before, parts.key]
}

function containerAndKey(node: ConditionNode): { container: ConditionNode; key: Step } | undefined {
  if (node.op === '.') return { container: node.args[0], key: node.args[1] }
  const pair = indexed(node)
  const key = pair === undefined ? undefined : literalKey(pair[1])
  return pair === undefined || key === undefined ? undefined : { container: pair[0], key }
}

function indexed(node: ConditionNode): readonly [ConditionNode, ConditionNode] | undefined {
  if (node.op === '[]') return node.args
  if (node.op !== 'call' || node.args[0] !== 'pyItem') return undefined
  const [container, index] = node.args[1]
  return container === undefined || index === undefined ? undefined : [container, index]
}

function literalKey(node: ConditionNode): Step | undefined {
  if (node.op === '-_' && node.args.op === 'value') {
    return typeof node.args.args === 'bigint' ? -Number(node.args.args) : undefined
  }
  if (node.op !== 'value') return undefined
  if (typeof node.args === 'bigint') return Number(node.args)
  return typeof node.args === 'string' ? node.args : undefined
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

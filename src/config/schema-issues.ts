import type { z } from 'zod'
import type { ConfigPath } from './config-node.ts'
import { nearestWord } from './nearest-word.ts'

type Issue = z.core.$ZodIssue

/** What is wrong, and what to write instead. */
export interface Description {
  readonly message: string
  readonly suggestion?: string
}

/**
 * Puts an issue of the schema library into words.
 *
 * @param key - The unknown key that is meant, when it is about one.
 * @param known - What could be meant: the keys at that place, or the names of brokers.
 */
export function describeIssue(
  issue: Issue,
  path: ConfigPath,
  key: string | undefined,
  known: readonly string[],
): Description {
  if (key !== undefined) return describeUnknownKey(key, known)
  const name = String(path.at(-1) ?? 'the file')
  const subject = typeof path.at(-1) === 'number' ? `this entry of ${String(path.at(-2))}` : name
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return describeMissing(path, name, known)
      return {
        message: `${subject} must be ${words(issue.expected)}, not ${words(kindOf(issue.input))}`,
      }
    case 'invalid_value':
      return describeChoice(subject, issue)
    case 'too_small':
      if (issue.origin === 'string') return { message: `${subject} must not be empty` }
      if (issue.origin === 'array') return { message: `${subject} ${issue.message}` }
      return {
        message: `${subject} must be at least ${String(issue.minimum)}, not ${shown(issue.input)}`,
      }
    case 'too_big':
      if (issue.origin === 'string' || issue.origin === 'array') {
        return { message: `${subject} ${issue.message}` }
      }
      return {
        message: `${subject} must be at most ${String(issue.maximum)}, not ${shown(issue.input)}`,
      }
    default:
      if (issue.input === undefined) return describeMissing(path, name, known)
      return { message: `${subject} ${issue.message}, not ${shown(issue.input)}` }
  }
}

function describeUnknownKey(key: string, known: readonly string[]): Description {
  const message = `unknown key ${JSON.stringify(key)}`
  const meant = nearestWord(key, known)
  if (meant !== undefined) return { message, suggestion: `did you mean ${meant}?` }
  return { message, suggestion: `known here: ${known.join(', ')}` }
}

function describeMissing(path: ConfigPath, name: string, brokers: readonly string[]): Description {
  const parent = String(path.at(-2))
  if (name === 'name' && (parent === 'sub' || parent === 'pub')) {
    const choices = brokers.length === 0 ? 'one of mqtts' : `one of ${brokers.join(', ')}`
    return { message: `${parent} names no broker`, suggestion: `add name: ${choices}` }
  }
  const place = path.length > 1 ? ' here' : ''
  return { message: `${name} is missing${place}`, suggestion: examples[name] ?? `add ${name}` }
}

const examples: Readonly<Record<string, string>> = {
  mqtts: 'add mqtts: with a name and an address for every broker',
  rules: 'add rules: with sub and pub',
  funcs: 'add funcs: with the modelName of every model',
  broker: 'add broker: tcp://host:1883',
  topic: 'add topic: plant/+/telemetry',
  modelName: 'add modelName: with the name of the model',
  sub: 'add sub: with the name of a broker and a topic',
  pub: 'add pub: with the name of a broker and a topic',
}

function describeChoice(subject: string, issue: z.core.$ZodIssueInvalidValue): Description {
  const values = issue.values.map(String)
  const message = `${subject} must be one of ${values.join(', ')}, not ${shown(issue.input)}`
  const meant = typeof issue.input === 'string' ? nearestWord(issue.input, values) : undefined
  return meant === undefined ? { message } : { message, suggestion: `did you mean ${meant}?` }
}

const typeWords: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  array: 'a list',
  null: 'empty',
}

function words(type: string): string {
  return typeWords[type] ?? type
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

/** A value in a message: short, and without what it contains when it is large. */
function shown(value: unknown): string {
  if (typeof value === 'object') return words(kindOf(value))
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/** The parts of the schema library's own model of a schema that are needed to find keys. */
interface SchemaShape {
  readonly shape?: Readonly<Record<string, SchemaShape>>
  readonly element?: SchemaShape
  readonly options?: readonly SchemaShape[]
  unwrap?(): SchemaShape
}

/** The keys that the schema knows at a place; none where it leads nowhere. */
export function keysOf(schema: z.ZodType, path: ConfigPath): string[] {
  let current: SchemaShape | undefined = unwrapped(schema as SchemaShape)
  for (const step of path) {
    const next: SchemaShape | undefined =
      typeof step === 'number' ? current?.element : current?.shape?.[step]
    if (next === undefined) return []
    current = unwrapped(next)
  }
  return Object.keys(current?.shape ?? {})
}

function unwrapped(schema: SchemaShape): SchemaShape {
  if (schema.shape !== undefined || schema.element !== undefined) return schema
  // A switch or a map: the keys are those of the map.
  const option = schema.options?.find(({ shape }) => shape !== undefined)
  if (option !== undefined) return option
  return schema.unwrap === undefined ? schema : unwrapped(schema.unwrap())
}

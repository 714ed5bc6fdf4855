import { EdgebootError } from '../core/errors.ts'
import { defineStarter, type Starter, type StarterDefinition } from './starter.ts'

/** What `edgeboot.config.ts` says: the user's own starters. */
export interface AppDefinition {
  /** Registered after edgeboot's own and before the one that listens to signals. */
  readonly starters: readonly StarterDefinition[]
}

/** An {@link AppDefinition} that was checked, with every default filled in. */
export interface App {
  readonly starters: readonly Starter[]
}

/**
 * Declares what a user adds to edgeboot: the default export of `edgeboot.config.ts`.
 *
 * @throws EdgebootError `CLI_APP_INVALID` naming every mistake at once.
 * @example
 * export default defineApp({ starters: [{ name: 'beat', start: (ctx) => ctx.log.info('on') }] })
 */
export function defineApp(definition: AppDefinition): App {
  return readApp(definition, 'defineApp()')
}

/**
 * The same for a value of which nothing is known, such as what a file exports.
 *
 * @param where - The file, for the error.
 * @throws EdgebootError `CLI_APP_INVALID` naming every mistake at once.
 */
export function readApp(value: unknown, where: string): App {
  const starters = field(value, 'starters')
  if (!Array.isArray(starters)) {
    throw invalid([`starters should be a list, but is ${describe(starters)}`], where)
  }
  const mistakes: string[] = []
  const names = new Set<string>()
  for (const [index, starter] of starters.entries()) {
    checkStarter(starter, `starters[${index}]`, mistakes)
    const name = field(starter, 'name')
    if (typeof name !== 'string' || name === '') continue
    if (names.has(name)) mistakes.push(`starters[${index}].name "${name}" is taken by another`)
    names.add(name)
  }
  if (mistakes.length > 0) throw invalid(mistakes, where)
  return { starters: (starters as StarterDefinition[]).map(defineStarter) }
}

const kinds = {
  init: 'function',
  setup: 'function',
  start: 'function',
  stop: 'function',
  priorityGroup: 'number',
  priority: 'number',
  startDeadlineMs: 'number',
  stopDeadlineMs: 'number',
  blocking: 'boolean',
} as const

function checkStarter(starter: unknown, path: string, mistakes: string[]): void {
  if (typeof starter !== 'object' || starter === null) {
    mistakes.push(`${path} should be a starter, but is ${describe(starter)}`)
    return
  }
  const name = field(starter, 'name')
  if (typeof name !== 'string' || name === '') {
    mistakes.push(`${path}.name should be a text that is not empty, but is ${describe(name)}`)
  }
  for (const [key, kind] of Object.entries(kinds)) {
    const value = field(starter, key)
    if (value === undefined) continue
    if (typeof value !== kind || (kind === 'number' && !Number.isFinite(value))) {
      mistakes.push(`${path}.${key} should be a ${kind}, but is ${describe(value)}`)
    } else if (key.endsWith('Ms') && (value as number) <= 0) {
      mistakes.push(`${path}.${key} should be above zero, but is ${describe(value)}`)
    }
  }
}

function field(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return (value as Record<string, unknown>)[key]
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'null'
  if (value === '') return 'empty'
  if (typeof value === 'number') return String(value)
  if (Array.isArray(value)) return 'a list'
  return `of type ${typeof value}`
}

function invalid(mistakes: readonly string[], where: string): EdgebootError {
  return new EdgebootError(
    'CLI_APP_INVALID',
    `The application in ${where} is not valid: ${mistakes.join('; ')}.`,
    { details: { where } },
  )
}

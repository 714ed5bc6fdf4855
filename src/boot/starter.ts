import type { StarterContext } from './starter-context.ts'

/**
 * Groups that decide the order of stopping: the highest is stopped first. So the outside door
 * closes before the resources behind it, and those before the application's own odds and ends.
 */
export const PriorityGroup = { System: 30, BasicResources: 20, App: 10 } as const

/** Priority of a starter that does not care. Within a group the lowest number is stopped first. */
export const defaultPriority = 10_000

/**
 * One component of the application, with a lifecycle.
 *
 * All starters are initialised, then all set up, then all started, in the order in which they
 * were registered; {@link Boot} stops them by group and priority. Constructors only assign:
 * `start` acquires, `stop` releases. `stop` is called once for every starter whose `init` was
 * reached, whatever failed in between, so it must cope with a start that never came or is not
 * over.
 */
export interface Starter {
  /** Unique among the starters; what logs and errors call it. */
  readonly name: string
  /** See {@link PriorityGroup}; any number will do. */
  readonly priorityGroup: number
  /** Within its group the lowest is stopped first; ties in reverse order of registration. */
  readonly priority: number
  /** Started after all that are not; its `start` resolves when it is serving. */
  readonly blocking: boolean
  /** How long `start` and the phases before it may take, each; a default holds when absent. */
  readonly startDeadlineMs?: number
  /** How long `stop` may take before the next one's turn comes; a default holds when absent. */
  readonly stopDeadlineMs?: number
  /** Reads what it needs and provides services to the others. */
  init(context: StarterContext): void | Promise<void>
  /** Prepares, with the services of all the others at hand. */
  setup(context: StarterContext): void | Promise<void>
  /** Acquires and begins to work. Should end early when `context.signal` is aborted. */
  start(context: StarterContext): void | Promise<void>
  /** Releases what `start` acquired. Idempotent. */
  stop(context: StarterContext): void | Promise<void>
}

/** A starter as its author writes it: a name, and whatever differs from the defaults. */
export type StarterDefinition = Pick<Starter, 'name'> & Partial<Omit<Starter, 'name'>>

/**
 * Fills in what a definition leaves out: group `BasicResources`, priority
 * {@link defaultPriority}, not blocking, phases that do nothing. The methods keep their `this`,
 * so the definition may be an object or an instance of a class.
 *
 * @example
 * const beat = defineStarter({ name: 'beat', start: (context) => context.log.info('beat.on') })
 */
export function defineStarter(definition: StarterDefinition): Starter {
  const { startDeadlineMs, stopDeadlineMs } = definition
  return {
    name: definition.name,
    priorityGroup: definition.priorityGroup ?? PriorityGroup.BasicResources,
    priority: definition.priority ?? defaultPriority,
    blocking: definition.blocking ?? false,
    ...(startDeadlineMs === undefined ? {} : { startDeadlineMs }),
    ...(stopDeadlineMs === undefined ? {} : { stopDeadlineMs }),
    init: (context) => definition.init?.(context),
    setup: (context) => definition.setup?.(context),
    start: (context) => definition.start?.(context),
    stop: (context) => definition.stop?.(context),
  }
}

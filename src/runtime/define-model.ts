/**
 * What a model written in TypeScript or JavaScript sees of edgeboot. Types, and one function that
 * returns its argument: a model pays nothing for it.
 */

/** Lines in edgeboot's own log. Fields must survive JSON; what is too long is cut. */
export interface ModelLog {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
}

/** What is known of an event besides its payload. */
export interface ModelContext {
  /** Topic on which the message came. */
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  /** Empty unless the broker speaks MQTT 5. */
  readonly userProperties: Readonly<Record<string, string | readonly string[]>>
  /** Milliseconds since 1970. */
  readonly receivedAt: number
  /** Name of the device entry of the configuration that the message fits; null when there are none. */
  readonly device: string | null
  /** Milliseconds since 1970 by which an answer must be there; null when nobody said. */
  readonly deadline: number | null
  /** Name of the rule. */
  readonly rule: string
  readonly model: { readonly name: string; readonly version: string }
  /** `params` of the func. */
  readonly params: Readonly<Record<string, unknown>>
  readonly log: ModelLog
}

/**
 * Answers one event. What it returns is published as JSON; `undefined`, `null`, `"null"`, `"{}"`
 * and `{}` mean "nothing to publish", and a `Uint8Array` is published as it is.
 */
export type Handler<Event = unknown, Result = unknown> = (
  event: Event,
  context: ModelContext,
) => Result | Promise<Result>

/** A model: the default export of its entry file. */
export interface ModelDefinition<Event = unknown, Result = unknown> {
  readonly handler: Handler<Event, Result>
}

/**
 * Gives a model its types: `export default defineModel<Telemetry>({ handler(event, context) { … } })`.
 *
 * @returns The definition itself.
 */
export function defineModel<Event = unknown, Result = unknown>(
  definition: ModelDefinition<Event, Result>,
): ModelDefinition<Event, Result> {
  return definition
}

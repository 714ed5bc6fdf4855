import type { ModelContext, ModelLog } from './define-model.ts'

type EventContext = Partial<
  Pick<
    ModelContext,
    'topic' | 'qos' | 'retain' | 'userProperties' | 'receivedAt' | 'device' | 'deadline'
  >
>

/** The part of a context that is the same for every event of a model. */
export interface ModelConstants {
  readonly rule: string
  readonly model: { readonly name: string; readonly version: string }
  readonly params: Readonly<Record<string, unknown>>
  readonly log: ModelLog
}

/**
 * The second argument of a handler. The part that differs from event to event is parsed when it is
 * first asked for: models that ignore it pay nothing.
 */
export class EventModelContext implements ModelContext {
  readonly rule: string
  readonly model: { readonly name: string; readonly version: string }
  readonly params: Readonly<Record<string, unknown>>
  readonly log: ModelLog
  readonly #raw: Uint8Array
  #parsed: EventContext | undefined

  constructor(constants: ModelConstants, raw: Uint8Array) {
    this.rule = constants.rule
    this.model = constants.model
    this.params = constants.params
    this.log = constants.log
    this.#raw = raw
  }

  get topic(): string {
    return this.#event.topic ?? ''
  }

  get qos(): 0 | 1 | 2 {
    return this.#event.qos ?? 0
  }

  get retain(): boolean {
    return this.#event.retain ?? false
  }

  get userProperties(): Readonly<Record<string, string | readonly string[]>> {
    return this.#event.userProperties ?? {}
  }

  get receivedAt(): number {
    return this.#event.receivedAt ?? 0
  }

  get device(): string | null {
    return this.#event.device ?? null
  }

  get deadline(): number | null {
    return this.#event.deadline ?? null
  }

  /** So that a context that a model prints or stores shows everything. */
  toJSON(): Record<string, unknown> {
    const { topic, qos, retain, userProperties, receivedAt, device, deadline } = this
    const { rule, model, params } = this
    return {
      topic,
      qos,
      retain,
      userProperties,
      receivedAt,
      device,
      deadline,
      rule,
      model,
      params,
    }
  }

  get #event(): EventContext {
    if (this.#parsed === undefined) {
      const text = new TextDecoder().decode(this.#raw)
      this.#parsed = text === '' ? {} : (JSON.parse(text) as EventContext)
    }
    return this.#parsed
  }
}

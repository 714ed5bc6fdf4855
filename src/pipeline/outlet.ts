import type { EdgebootError } from '../core/errors.ts'
import type { Failure, LetterSubject } from './dead-letter.ts'
import type { InferOutcome } from '../runtime/runner.ts'
import type { PublishFailure, PublishOutcome, Sink } from '../transport/transport.ts'
import type { OccasionalLog } from '../core/occasional-log.ts'
import type { DropReason } from './pipeline-stats.ts'
import type { Task } from './task.ts'

/** What the outlet needs from around it. */
export interface OutletParts {
  readonly sink: Sink
  /** The topic of a result; `undefined` when the template gives one that MQTT forbids. */
  readonly resultTopic: (sourceTopic: string, device: string | undefined) => string | undefined
  /** What is sent with a result. */
  readonly resultProperties: ResultProperties
  /** Of the model, for a task that it was given. */
  readonly versionOf: (task: Task) => string
  /** A task is through with the model; that it failed there is what speaks against it. */
  readonly answered: (task: Task, isError: boolean) => void
  readonly idOf: (task: Task) => string
  readonly occasionally: OccasionalLog
  readonly published: (task: Task, bytes: number) => void
  /** Its result is on the disk. */
  readonly spooled: (task: Task) => void
  readonly dropped: (task: Task, reason: DropReason) => void
  /**
   * It is given up.
   *
   * @returns The id of its dead letter, if there is one.
   */
  readonly givenUp: (task: Task, failure: Failure, subject: LetterSubject) => string | undefined
  /** The sink was closed first: nothing is known of its result. */
  readonly interrupted: (task: Task) => void
  /** What there is to say about a drop that comes next. */
  readonly why: (reason: DropReason, text: string) => void
}

/** The user properties of results. */
export interface ResultProperties {
  /** Those that all of one version of the model have: the same object as long as it serves. */
  shared(version: string): Readonly<Record<string, string>>
  /** Makes those of one. @param id - Its `edgeboot-id`. */
  own(id: string): Readonly<Record<string, string>>
}

/**
 * The way out of a pipeline: publishes what a model answered, and gives a reason for what it did
 * not. An error text is never published as if it were a result, as pyboot does. Each task ends in
 * `published`, `spooled`, `dropped`, `givenUp` or `interrupted`, exactly once.
 */
export class Outlet {
  readonly #parts: OutletParts
  #pendingBytes = 0

  constructor(parts: OutletParts) {
    this.#parts = parts
  }

  /** Bytes of the results that the sink has not settled. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  /** The model answered. */
  outcome(task: Task, outcome: InferOutcome): void {
    this.#parts.answered(task, outcome.kind === 'error')
    if (outcome.kind === 'value') {
      this.#publish(task, outcome.payload)
    } else if (outcome.kind === 'empty') {
      this.#parts.dropped(task, 'empty')
    } else {
      const { type, message, where, traceback } = outcome.error
      this.#parts.why('model', `${type}: ${message}`)
      const letter = this.#giveUp(task, {
        kind: 'model',
        code: type,
        text: message,
        ...(where === undefined ? {} : { where }),
        ...(traceback === undefined ? {} : { stack: traceback }),
      })
      this.#tell('error', 'model.failed', `${type} ${where ?? ''}`, task, () => ({
        error: `${type}: ${message}`,
        where,
        traceback,
        letter,
      }))
    }
  }

  /** Runner after runner died with it. */
  givenUp(task: Task, error: EdgebootError): void {
    this.#parts.answered(task, true)
    const kind = error.code === 'RUNNER_DEADLINE' ? 'deadline' : 'crash'
    const { where, stack } = error.details
    this.#parts.why(kind, error.message)
    const failure: Failure = {
      kind,
      code: error.code,
      text: error.message,
      ...(where === undefined ? {} : { where }),
      ...(typeof stack === 'string' ? { stack } : {}),
    }
    const letter = this.#parts.givenUp(task, failure, this.#subject(task, task.attempts))
    this.#tell('error', 'event.given-up', error.code, task, () => ({
      attempts: task.attempts,
      code: error.code,
      error: error.message,
      letter,
    }))
  }

  #publish(task: Task, payload: Uint8Array): void {
    const { message } = task.origin
    const topic = this.#parts.resultTopic(message.topic, task.device)
    if (topic === undefined) {
      const text = 'pub.topic gives no topic that MQTT allows for this message'
      const letter = this.#giveUp(task, { kind: 'topic', code: 'topic-invalid', text })
      this.#tell('warn', 'result.topic-invalid', 'topic', task, () => ({ letter }))
      return
    }
    const { resultProperties, idOf, versionOf, sink } = this.#parts
    const userProperties = resultProperties.own(idOf(task))
    const sharedProperties = resultProperties.shared(versionOf(task))
    const bytes = payload.byteLength
    this.#pendingBytes += bytes
    sink.publish({ topic, payload, userProperties, sharedProperties }, (outcome) => {
      this.#pendingBytes -= bytes
      this.#settled(task, bytes, outcome)
    })
  }

  #settled(task: Task, bytes: number, outcome: PublishOutcome): void {
    if (outcome === 'published') {
      this.#parts.published(task, bytes)
      return
    }
    if (outcome === 'spooled') {
      this.#parts.spooled(task)
      return
    }
    let letter: string | undefined
    if (outcome === 'closed') this.#parts.interrupted(task)
    else letter = this.#unpublished(task, outcome, bytes)
    const fields = { failure: outcome, bytes, letter }
    this.#tell('warn', 'result.unpublished', outcome, task, () => fields)
  }

  /** @returns The id of its dead letter, if there is one. */
  #unpublished(
    task: Task,
    failure: Exclude<PublishFailure, 'closed'>,
    bytes: number,
  ): string | undefined {
    const reason = publishReason(failure)
    this.#parts.why(reason, failure)
    if (reason === 'publish') {
      this.#parts.dropped(task, reason)
      return undefined
    }
    const text =
      reason === 'refused'
        ? 'the output broker refuses the result: it may not be published there'
        : `the result of ${bytes} bytes is larger than MQTT allows or the output broker takes`
    return this.#giveUp(task, { kind: reason, code: reason, text })
  }

  /** The model had it once more than runners died of it. */
  #giveUp(task: Task, failure: Failure): string | undefined {
    return this.#parts.givenUp(task, failure, this.#subject(task, task.attempts + 1))
  }

  #subject(task: Task, attempts: number): LetterSubject {
    return { device: task.device, version: this.#parts.versionOf(task), attempts }
  }

  #tell(
    level: 'warn' | 'error',
    event: string,
    kind: string,
    task: Task,
    fields: () => Record<string, unknown>,
  ): void {
    const { topic } = task.origin.message
    this.#parts.occasionally.write(level, event, `${event} ${kind}`, () => ({
      topic,
      device: task.device,
      modelVersion: this.#parts.versionOf(task),
      ...fields(),
    }))
  }
}

/** Under which reason a failure of the sink is counted. */
export function publishReason(
  failure: Exclude<PublishFailure, 'closed'>,
): 'publish' | 'too-large' | 'refused' {
  return failure === 'timeout' || failure === 'queue-full' ? 'publish' : failure
}

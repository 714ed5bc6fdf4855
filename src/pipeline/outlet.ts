import type { EdgebootError } from '../core/errors.ts'
import type { InferOutcome } from '../runtime/runner.ts'
import type { PublishFailure, Sink } from '../transport/transport.ts'
import type { OccasionalLog } from './occasional-log.ts'
import type { DropReason } from './pipeline-stats.ts'
import type { Task } from './task.ts'

/** What the outlet needs from around it. */
export interface OutletParts {
  readonly sink: Sink
  /** The topic of a result; `undefined` when the template gives one that MQTT forbids. */
  readonly resultTopic: (sourceTopic: string, device: string | undefined) => string | undefined
  /** Sent with every result. */
  readonly resultProperties: Readonly<Record<string, string>>
  readonly occasionally: OccasionalLog
  readonly published: (task: Task, bytes: number) => void
  readonly dropped: (task: Task, reason: DropReason) => void
}

/**
 * The way out of a pipeline: publishes what a model answered, and gives a reason for what it did
 * not. An error text is never published as if it were a result, as pyboot does. Each task ends in
 * `published` or `dropped`, exactly once.
 */
export class Outlet {
  readonly #parts: OutletParts

  constructor(parts: OutletParts) {
    this.#parts = parts
  }

  /** The model answered. */
  outcome(task: Task, outcome: InferOutcome): void {
    if (outcome.kind === 'value') {
      this.#publish(task, outcome.payload)
    } else if (outcome.kind === 'empty') {
      this.#parts.dropped(task, 'empty')
    } else {
      const { type, message, where, traceback } = outcome.error
      this.#tell('error', 'model.failed', `${type} ${where ?? ''}`, task, () => ({
        error: `${type}: ${message}`,
        where,
        traceback,
      }))
      this.#parts.dropped(task, 'model')
    }
  }

  /** Runner after runner died with it. */
  givenUp(task: Task, error: EdgebootError): void {
    this.#tell('error', 'event.given-up', error.code, task, () => ({
      attempts: task.attempts,
      code: error.code,
      error: error.message,
    }))
    this.#parts.dropped(task, error.code === 'RUNNER_DEADLINE' ? 'deadline' : 'crash')
  }

  #publish(task: Task, payload: Uint8Array): void {
    const topic = this.#parts.resultTopic(task.origin.message.topic, task.device)
    if (topic === undefined) {
      this.#tell('warn', 'result.topic-invalid', 'topic', task, () => ({}))
      this.#parts.dropped(task, 'topic')
      return
    }
    const userProperties = this.#parts.resultProperties
    this.#parts.sink.publish({ topic, payload, userProperties }, (failure) => {
      if (failure === undefined) this.#parts.published(task, payload.byteLength)
      else this.#unpublished(task, failure)
    })
  }

  #unpublished(task: Task, failure: PublishFailure): void {
    this.#tell('warn', 'result.unpublished', failure, task, () => ({ failure }))
    this.#parts.dropped(task, failure === 'closed' ? 'stopped' : 'publish')
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
      ...fields(),
    }))
  }
}

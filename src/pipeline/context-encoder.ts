import { TopicMemo } from '../core/topic-memo.ts'
import type { SourceMessage } from '../transport/transport.ts'

/**
 * Writes the part of a handler's `context` that differs from event to event: `topic`, `device`,
 * `qos`, `retain`, `receivedAt`, `deadline` (both milliseconds since 1970) and `userProperties`.
 * What stays the same (rule, model, params) is told once, when the runner starts.
 */
export class ContextEncoder {
  readonly #beginnings = new TopicMemo(
    (topic, device) =>
      `{"topic":${JSON.stringify(topic)},"device":${JSON.stringify(device ?? null)},"qos":`,
  )

  /** @returns JSON in UTF-8. */
  encode(message: SourceMessage, device: string | undefined, deadline: number): Uint8Array {
    const { topic, qos, retain, receivedAt, userProperties } = message
    const properties =
      userProperties === undefined ? '' : `,"userProperties":${JSON.stringify(userProperties)}`
    return Buffer.from(
      `${this.#beginnings.of(topic, device)}${qos},"retain":${retain}` +
        `,"receivedAt":${receivedAt},"deadline":${deadline}${properties}}`,
    )
  }
}

import type { SourceMessage } from '../transport/transport.ts'

/** Texts that are remembered: topics and devices repeat, their JSON need not be made again. */
const rememberedMax = 10_000

/**
 * Writes the part of a handler's `context` that differs from event to event: `topic`, `qos`,
 * `retain`, `userProperties`, `receivedAt`, `deadline` (both milliseconds since 1970) and
 * `device`. What stays the same (rule, model, params) is told once, when the runner starts.
 */
export class ContextEncoder {
  readonly #quoted = new Map<string, string>()

  /** @returns JSON in UTF-8. */
  encode(message: SourceMessage, device: string | undefined, deadline: number): Uint8Array {
    const properties =
      message.userProperties === undefined
        ? ''
        : `,"userProperties":${JSON.stringify(message.userProperties)}`
    return Buffer.from(
      `{"topic":${this.#quote(message.topic)},"qos":${message.qos},"retain":${message.retain}` +
        `,"receivedAt":${message.receivedAt},"deadline":${deadline}` +
        `,"device":${device === undefined ? 'null' : this.#quote(device)}${properties}}`,
    )
  }

  #quote(text: string): string {
    let json = this.#quoted.get(text)
    if (json === undefined) {
      if (this.#quoted.size >= rememberedMax) this.#quoted.clear()
      json = JSON.stringify(text)
      this.#quoted.set(text, json)
    }
    return json
  }
}

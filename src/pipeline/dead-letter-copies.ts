import { isUtf8 } from 'node:buffer'
import type { OccasionalLog } from '../core/occasional-log.ts'
import type { PublishOutcome, Sink } from '../transport/transport.ts'
import type { DeadLetter } from './dead-letter.ts'

/** The user property by which a dead letter is told from a result; its value is the kind. */
export const deadLetterProperty = 'edgeboot-dead-letter'

/** What copies need from around them. */
export interface DeadLetterCopiesParts {
  readonly sink: Sink
  /** The topic of a copy; `undefined` when the template gives none for this letter. */
  readonly topic: (sourceTopic: string, device: string | undefined) => string | undefined
  /** User properties that all of one version of the model have. */
  readonly sharedProperties: (version: string) => Readonly<Record<string, string>>
  readonly occasionally: OccasionalLog
  /** One goes to the sink. */
  readonly copying: () => void
  /** The sink has settled it. */
  readonly copied: (outcome: PublishOutcome, bytes: number) => void
}

/** Publishes copies of dead letters, for whoever wants to hear of them. */
export class DeadLetterCopies {
  readonly #parts: DeadLetterCopiesParts

  constructor(parts: DeadLetterCopiesParts) {
    this.#parts = parts
  }

  /**
   * @param settled - Called exactly once, with `undefined` when there is no topic for it, or when
   * it is about a copy itself. A copy that
   * fails is logged and becomes no dead letter itself.
   */
  publish(letter: DeadLetter, settled: (outcome: PublishOutcome | undefined) => void): void {
    const { sink, copying } = this.#parts
    const topic = this.#parts.topic(letter.topic, letter.device)
    // A copy that came back as an event and was given up as well would go round for ever.
    const isCopy = letter.userProperties?.[deadLetterProperty] !== undefined
    if (topic === undefined || isCopy) {
      this.#tell(letter, isCopy ? 'loop' : 'topic')
      settled(undefined)
      return
    }
    const payload = Buffer.from(JSON.stringify(copyOf(letter)))
    const userProperties = { [deadLetterProperty]: letter.error.kind }
    const sharedProperties = this.#parts.sharedProperties(letter.version)
    copying()
    sink.publish({ topic, payload, userProperties, sharedProperties }, (outcome) => {
      if (outcome !== 'published' && outcome !== 'spooled') this.#tell(letter, outcome)
      this.#parts.copied(outcome, payload.byteLength)
      settled(outcome)
    })
  }

  #tell({ id, topic, device, error }: DeadLetter, failure: string): void {
    this.#parts.occasionally.write('warn', 'dead-letter.copy-failed', `copy ${failure}`, () => ({
      letter: id,
      topic,
      device,
      kind: error.kind,
      failure,
    }))
  }
}

/** The JSON of a copy. A payload that is no UTF-8 is base64, so that nothing of it is lost. */
function copyOf(letter: DeadLetter): object {
  const { payload, diedAt, receivedAt, ...facts } = letter
  return {
    ...facts,
    time: new Date(diedAt).toISOString(),
    receivedAt: new Date(receivedAt).toISOString(),
    ...(payload === undefined ? {} : payloadOf(payload)),
  }
}

function payloadOf(payload: Uint8Array): object {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  return isUtf8(bytes)
    ? { payload: bytes.toString('utf8') }
    : { payloadBase64: bytes.toString('base64') }
}

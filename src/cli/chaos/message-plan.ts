import type { Stream } from './streams.ts'

/** What a message is meant to be. */
export type MessageKind = 'sample' | 'poison' | 'undecodable'

/** A message of the run. */
export interface PlannedMessage {
  readonly stream: Stream
  /** Grows by one from message to message of a stream. */
  readonly seq: number
  readonly kind: MessageKind
  readonly topic: string
  readonly payload: Buffer
  /** Milliseconds after the beginning. */
  readonly dueMs: number
}

/** What a plan is made of. */
export interface MessagePlanOptions {
  readonly streams: readonly Stream[]
  /** Keys that are put into a message now and then: what a model chokes on, or is slow with. */
  readonly poison: readonly Readonly<Record<string, unknown>>[]
  readonly messages: number
  readonly perSecond: number
  /** One message in so many is poison, and as many are no JSON; 0 for none. */
  readonly poisonEvery: number
  readonly undecodableEvery: number
}

/** What a message is known by. */
export interface Mark {
  /** Place of its stream in the list of them. */
  readonly stream: number
  readonly seq: number
}

/** The field by which a message is known again; the model sees it like any other. */
const markKey = 'chaos'
/** When readings begin, milliseconds since 1970: the same for every run. */
const beginning = Date.UTC(2026, 0, 1)
const windowLength = 5
/** Which of a stretch of messages is the poison one. */
const poisonPlace = 7

/**
 * The messages of a run: the streams in turn, each message marked with its device, its stream and a number.
 * The same plan gives the same bytes, so a message that is sent again is the same message.
 */
export class MessagePlan {
  readonly #options: MessagePlanOptions
  readonly length: number

  constructor(options: MessagePlanOptions) {
    this.#options = options
    this.length = options.messages
  }

  /** @param index - From 0. */
  at(index: number): PlannedMessage {
    const { streams, poison, perSecond } = this.#options
    const number = index % streams.length
    const stream = streams[number] as Stream
    const seq = Math.floor(index / streams.length)
    const kind = this.#kindOf(index)
    const added = kind === 'poison' ? poison[this.#poisonBefore(index) % poison.length] : {}
    const event = stream.isGenerated ? withReadings(stream.event, seq) : stream.event
    // The mark comes first: it can be read in what is cut short, too.
    const mark = { stream: number, seq, device: stream.device }
    const text = JSON.stringify({ [markKey]: mark, ...event, ...added })
    const payload = Buffer.from(kind === 'undecodable' ? text.slice(0, -1) : text)
    const dueMs = (index * 1000) / perSecond
    return { stream, seq, kind, topic: stream.topic, payload, dueMs }
  }

  /** The place of a marked message in the plan. */
  indexOf({ stream, seq }: Mark): number {
    return seq * this.#options.streams.length + stream
  }

  #kindOf(index: number): MessageKind {
    const { poison, poisonEvery, undecodableEvery } = this.#options
    if (isNth(index, undecodableEvery)) return 'undecodable'
    // Early in its stretch: a short run is to have some, too.
    const isPoison = poison.length > 0 && poisonEvery > 0 && index % poisonEvery === poisonPlace
    return isPoison ? 'poison' : 'sample'
  }

  #poisonBefore(index: number): number {
    return Math.floor(index / Math.max(this.#options.poisonEvery, 1))
  }
}

/** The mark of a message, read from its payload, whole or cut short. */
export function markOf(payload: Uint8Array): Mark | undefined {
  const head = Buffer.from(payload.buffer, payload.byteOffset, Math.min(payload.length, 80))
  const [, stream, seq] = /^\{"chaos":\{"stream":(\d+),"seq":(\d+),/.exec(head.toString()) ?? []
  return stream === undefined ? undefined : { stream: Number(stream), seq: Number(seq) }
}

function isNth(index: number, every: number): boolean {
  return every > 0 && index % every === every - 1
}

/** Telemetry that moves as that of a plant does. */
function withReadings(
  event: Readonly<Record<string, unknown>>,
  seq: number,
): Record<string, unknown> {
  const telemetry = event['telemetry'] as Readonly<Record<string, unknown>>
  const names = Object.keys(telemetry).filter((name) => name !== 'ts')
  const readings = names.map((name) => [name, readingAt(seq)] as const)
  const window = Array.from({ length: windowLength }, (_, i) => {
    const at = seq - windowLength + i
    return [beginning + at * 1000, readingAt(at)]
  })
  return {
    ...event,
    telemetry: { ts: beginning + seq * 1000, ...Object.fromEntries(readings) },
    model_data: { window: 'short', trend_model_data: window },
  }
}

function readingAt(seq: number): number {
  return Math.round((95 + 5 * Math.sin(seq / 40)) * 100) / 100
}

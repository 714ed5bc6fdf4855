import { compileMatcher } from '../../host/compile-matcher.ts'
import type { PipelineSettings } from '../../config/settings.ts'
import { EdgebootError } from '../../core/errors.ts'
import { matchEvent, type Matcher } from '../../pipeline/match.ts'
import { ResultIds } from '../../pipeline/result-id.ts'
import type { MarkedLetter } from './evidence.ts'
import { ChaosLedger } from './ledger.ts'
import type { MessagePlan, PlannedMessage } from './message-plan.ts'
import { listeners, type Stream } from './streams.ts'

interface Taker {
  readonly index: number
  readonly matcher: Matcher
  readonly ids: ResultIds
}

/**
 * Knows before edgeboot does what is to come of each message: which pipelines get it, which device
 * entries take it, and what ids their results will bear.
 */
export class Expectations {
  readonly ledger: ChaosLedger
  readonly #plan: MessagePlan
  readonly #pipelines: readonly PipelineSettings[]
  readonly #takers: readonly Taker[]
  readonly #listeners = new Map<Stream, readonly Taker[]>()
  readonly #sentAt: Float64Array
  #sent = 0

  constructor(pipelines: readonly PipelineSettings[], plan: MessagePlan) {
    this.#plan = plan
    this.#pipelines = pipelines
    this.#sentAt = new Float64Array(plan.length)
    this.#takers = pipelines.map((pipeline, index) => ({
      index,
      matcher: compileMatcher(pipeline),
      ids: new ResultIds({ rule: pipeline.rule, model: pipeline.model.name }),
    }))
    this.ledger = new ChaosLedger(
      pipelines.map(({ name }) => name),
      (message) => {
        const { stream, seq } = plan.at(message)
        return `${stream.device}/${seq}`
      },
    )
  }

  /** Different messages that were sent. */
  get sent(): number {
    return this.#sent
  }

  /**
   * Looks whether each pipeline takes one of the streams at least.
   *
   * @returns What is to be said of those that take none.
   * @throws EdgebootError `CLI_CHAOS_NO_EVENT` when none takes any.
   */
  check(streams: readonly Stream[]): readonly string[] {
    const idle = new Map(this.#takers.map(({ index }) => [index, 'no stream is on its topic']))
    for (const stream of streams) {
      for (const { index, matcher } of this.#listenersOf(stream)) {
        const { matches, misses } = matchEvent(matcher, stream.event, stream.topic)
        if (matches.length > 0) idle.delete(index)
        else if (idle.has(index)) idle.set(index, misses[0]?.reason ?? 'no device fits')
      }
    }
    const words = [...idle].map(([index, why]) => {
      const { rule, model } = this.#pipelines[index] as PipelineSettings
      return `no message of the run fits func ${model.name} of rule ${rule} (${why}): give it one with --sample`
    })
    if (idle.size === this.#takers.length) {
      throw new EdgebootError('CLI_CHAOS_NO_EVENT', words.join('; ') || 'there is no pipeline')
    }
    return words
  }

  /** A message leaves, for the first time or again. */
  published(index: number, at: number): void {
    if (this.#sentAt[index] !== 0) return
    this.#sentAt[index] = at
    this.#sent += 1
    const message = this.#plan.at(index)
    for (const taker of this.#listenersOf(message.stream)) this.#expect(taker, index, message)
  }

  /** A result came. @returns What it is of and when that was sent, if it came for the first time. */
  collected(id: string): { pipeline: number; sentAt: number } | undefined {
    const found = this.ledger.collected(id)
    if (found === undefined) return undefined
    return { pipeline: found.pipeline, sentAt: this.#sentAt[found.message] ?? 0 }
  }

  /** Takes in what is kept of dead letters; those that it knows already change nothing. */
  takeLetters(letters: Iterable<MarkedLetter>): void {
    for (const { pipeline, mark, device } of letters) {
      const index = this.#pipelines.findIndex(({ name }) => name === pipeline)
      if (index !== -1) this.ledger.deadLettered(index, this.#plan.indexOf(mark), device)
    }
  }

  #expect(taker: Taker, index: number, message: PlannedMessage): void {
    if (message.kind === 'undecodable') {
      this.ledger.expect(taker.index, index, [])
      return
    }
    const { topic, payload, stream } = message
    const { matches, misses } = matchEvent(taker.matcher, parse(payload), topic)
    const rejected = misses.filter(({ stage }) => stage === 'when').length
    // One that no device takes is dropped once.
    const filtered = matches.length + rejected === 0 ? 1 : rejected
    this.ledger.expectFiltered(taker.index, filtered)
    if (matches.length === 0) return
    const source = { topic, payload, ...unimportant }
    this.ledger.expect(
      taker.index,
      index,
      matches.map(({ device }) => ({
        id: taker.ids.of(source, device),
        lane: JSON.stringify([device ?? null, stream.device]),
        device,
      })),
    )
  }

  #listenersOf(stream: Stream): readonly Taker[] {
    let found = this.#listeners.get(stream)
    if (found === undefined) {
      const heard = listeners(this.#pipelines, stream)
      found = this.#takers.filter(({ index }) =>
        heard.includes(this.#pipelines[index] as PipelineSettings),
      )
      this.#listeners.set(stream, found)
    }
    return found
  }
}

/** What an id does not depend on. */
const unimportant = { qos: 1, retain: false, duplicate: false, receivedAt: 0 } as const

function parse(payload: Uint8Array): unknown {
  return JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString())
}

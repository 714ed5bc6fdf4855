import type { PipelineSettings } from '../config/settings.ts'
import { decodePayload } from '../pipeline/decode.ts'
import { laneKey } from '../pipeline/intake.ts'
import { matchEvent } from '../pipeline/match.ts'
import type { DropReason } from '../pipeline/pipeline-stats.ts'
import { compileTopicTemplate } from '../transport/render-topic.ts'
import { compileMatcher } from './compile-matcher.ts'
import { explainDevices } from './explain-devices.ts'
import { groupOf, topicMismatch, topicOf } from './explain-topic.ts'
import type { ExplainQuestion, ExplainStep, Explanation } from './explanation.ts'
import type { PipelineState } from './system-view.ts'

/** Events of one message whose results are told of. */
const resultsMax = 5

/**
 * What a pipeline makes of a message, step by step, without running it: asked of its settings
 * alone, so the same whether it runs or not. Only what is asked for is computed; nothing of it is
 * on the way of real messages. Nothing in a message makes this throw.
 *
 * @param health - Of the pipeline, when it runs: whether what is taken gets any further.
 * @throws EdgebootError `CONFIG_INVALID` for settings with a condition that does not compile.
 */
export function explainMessage(
  settings: PipelineSettings,
  question: ExplainQuestion,
  health?: { readonly state: PipelineState; readonly reason: string },
): Explanation {
  return new MessageExplanation(settings, question).explain(health)
}

class MessageExplanation {
  readonly #settings: PipelineSettings
  readonly #question: ExplainQuestion
  readonly #topic: string
  readonly #steps: ExplainStep[] = []
  #entriesLeftOut = 0

  constructor(settings: PipelineSettings, question: ExplainQuestion) {
    this.#settings = settings
    this.#question = question
    this.#topic = question.topic ?? topicOf(settings.source.topic)
  }

  explain(health: { state: PipelineState; reason: string } | undefined): Explanation {
    const { source } = this.#settings
    const { payload, retain } = this.#question
    if (!this.#explainTopic()) return this.#ends('elsewhere')
    if (retain) {
      const text = source.retained
        ? 'the rule wants messages that the broker has kept'
        : 'the broker had kept it, and sub.retained is false'
      this.#step('retained', source.retained, text)
      if (!source.retained) return this.#ends('dropped', 'retained')
    }
    if (payload === undefined) return this.#ends('subscribed')
    const decoded = decodePayload(payload)
    if (!decoded.ok) {
      this.#step('decode', false, `${decoded.detail} (${decoded.fault})`)
      return this.#ends('dropped', 'decode')
    }
    this.#step('decode', true, `JSON, ${payload.byteLength.toLocaleString('en-US')} bytes`)
    return this.#explainEvent(decoded.event, health)
  }

  #explainTopic(): boolean {
    const { topic: filter } = this.#settings.source
    const mismatch = topicMismatch(filter, this.#topic)
    if (mismatch !== undefined) {
      this.#step('topic', false, `${this.#topic} does not match ${filter}: ${mismatch}`)
      return false
    }
    const group = groupOf(filter)
    const others = group === undefined ? '' : `; any member of the group ${group} may get it`
    const isOnly = this.#topic === filter
    const match = isOnly ? 'is what is subscribed to' : `matches ${filter}`
    const made = isOnly ? ' (no topic was given)' : ' (made up: no topic was given)'
    const origin = this.#question.topic === undefined ? made : ''
    this.#step('topic', true, `${this.#topic} ${match}${origin}${others}`)
    return true
  }

  #explainEvent(
    event: unknown,
    health: { state: PipelineState; reason: string } | undefined,
  ): Explanation {
    const matcher = compileMatcher(this.#settings)
    const { matches, misses } = matchEvent(matcher, event, this.#topic)
    const { steps, entriesLeftOut } = explainDevices(this.#settings, matcher, event, this.#topic)
    this.#steps.push(...steps)
    this.#entriesLeftOut = entriesLeftOut
    if (matches.length === 0) {
      return this.#ends('dropped', misses.some(({ stage }) => stage === 'when') ? 'when' : 'device')
    }
    for (const { device } of matches.slice(0, resultsMax)) this.#explainNext(event, device)
    if (matches.length > resultsMax) {
      this.#step('next', true, `and ${matches.length - resultsMax} more events like these`)
    }
    if (health === undefined || health.state === 'READY')
      return this.#ends('taken', undefined, matches.length)
    this.#step('next', false, `the pipeline is ${health.state}: ${health.reason}`)
    return health.state === 'BROKEN' && !this.#waits
      ? this.#ends('dropped', 'broken')
      : this.#ends('taken', undefined, matches.length)
  }

  /** The broker keeps it for as long as it takes. */
  get #waits(): boolean {
    const { queue, source } = this.#settings
    return queue.whenFull === 'block' && source.qos === 1
  }

  #explainNext(event: unknown, device: string | undefined): void {
    const { sink, rule, model, orderBy } = this.#settings
    const result = compileTopicTemplate(sink.topic, { rule, model: model.name })(
      this.#topic,
      device,
    )
    const key = laneKey(orderBy, this.#topic, event, device)
    const order = key === undefined ? 'in no order' : `in order with others of ${key}`
    const about = device === undefined ? {} : { device }
    if (result === undefined) {
      const text = `${order}, through ${model.name}; but its result is dropped (topic): ${sink.topic} gives a topic that MQTT forbids`
      this.#step('next', false, text, about)
    } else {
      const text = `${order}, through ${model.name}; its result goes to ${result} at ${sink.broker.name}`
      this.#step('next', true, text, about)
    }
  }

  #step(
    step: ExplainStep['step'],
    passed: boolean,
    text: string,
    about: Pick<ExplainStep, 'device'> = {},
  ): void {
    this.#steps.push({ step, passed, text, ...about })
  }

  #ends(verdict: Explanation['verdict'], reason?: DropReason, events = 0): Explanation {
    return {
      topic: this.#topic,
      isTopicMadeUp: this.#question.topic === undefined,
      verdict,
      ...(reason === undefined ? {} : { reason }),
      events,
      steps: this.#steps,
      entriesLeftOut: this.#entriesLeftOut,
    }
  }
}

import { Socket } from 'node:net'
import type { MqttPeer } from './mqtt-peer.ts'

/** What a stretch of the traffic was like: from just before a publish to its result in hand. */
export interface Stretch {
  readonly answered: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/**
 * Messages at a steady rate, QoS 1, through a rule with a model that repeats them: `{"n":0}`, `{"n":1}`
 * and so on, in on `in/<rule>`, out on `out/<rule>`.
 */
export class SteadyTraffic {
  readonly rule: string
  /** The numbers as they came back. */
  readonly answers: number[] = []
  readonly #peer: MqttPeer
  readonly #sentAt: number[] = []
  readonly #latenciesMs: number[] = []
  #timer: NodeJS.Timeout | undefined

  private constructor(peer: MqttPeer, rule: string) {
    this.#peer = peer
    this.rule = rule
    peer.client.on('message', (topic, payload) => {
      if (topic === `out/${rule}`) this.#answered(payload.toString())
    })
  }

  /** @param peer - Without other subscriptions to the results of the rule. */
  static async start(peer: MqttPeer, rule: string, perSecond: number): Promise<SteadyTraffic> {
    const traffic = new SteadyTraffic(peer, rule)
    // Or the system bundles messages and confirmations, up to 40 ms of them.
    if (peer.client.stream instanceof Socket) peer.client.stream.setNoDelay(true)
    await peer.client.subscribeAsync(`out/${rule}`, { qos: 1 })
    traffic.#timer = setInterval(() => traffic.#publish(), 1000 / perSecond)
    return traffic
  }

  get sent(): number {
    return this.#sentAt.length
  }

  /** Publishes no more; what is under way comes out. */
  stop(): void {
    clearInterval(this.#timer)
  }

  /** The answers from this one on. */
  since(answer: number): Stretch {
    const sorted = this.#latenciesMs.slice(answer).toSorted((a, b) => a - b)
    const quantile = (share: number): number =>
      sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)] ?? NaN
    return { answered: sorted.length, p50Ms: quantile(0.5), p99Ms: quantile(0.99) }
  }

  #publish(): void {
    const n = this.#sentAt.push(performance.now()) - 1
    this.#peer.client.publish(`in/${this.rule}`, JSON.stringify({ n }), { qos: 1 })
  }

  #answered(text: string): void {
    const { n } = JSON.parse(text) as { n: number }
    this.answers.push(n)
    this.#latenciesMs.push(performance.now() - (this.#sentAt[n] ?? NaN))
  }
}

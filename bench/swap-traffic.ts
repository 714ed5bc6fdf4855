import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { SwapAccount, type SwapResult, type SwapTotals } from './swap-account.ts'
import type { Flight } from './swap-latency.ts'
import {
  encodePubacks,
  encodePublish,
  nextId,
  openRawSession,
  packetType,
  PacketSplitter,
  publishParts,
} from './wire.ts'

/** Devices, whose messages have to stay in order each. */
export const swapKeys = 50
/** What the rule reads. */
export const swapInput = 'swap/+/in'
/** What the rule publishes to; the device is the level at index 1. */
export const swapOutput = 'swap/${topic[1]}/out'

/** QoS 1 messages that may be without a PUBACK of the broker. */
const inFlightMax = 2_000
/** A generator that was held up makes up for this much at most: it is no flood. */
const catchUpMs = 100
/** Once nothing more is published: no result for this long means that none will come. */
const silenceMs = 3_000

/** Messages at a rate into one rule, from all keys in turn, and an account of what comes back. */
export class SwapTraffic implements Disposable {
  /** Every message that was answered. */
  readonly flights: Flight[] = []
  readonly #qos: 0 | 1
  readonly #publisher: Socket
  readonly #results: Socket
  readonly #account = new SwapAccount(swapKeys)
  /** By key, and the number of the message there. */
  readonly #publishedAt: readonly number[][] = Array.from({ length: swapKeys }, () => [])
  /** When the first result of a version came. */
  readonly #firstAt = new Map<number, number>()
  #timer: NodeJS.Timeout | undefined
  #sent = 0
  #confirmed = 0
  #id = 1
  #lastResultAt = 0

  private constructor(qos: 0 | 1, publisher: Socket, results: Socket) {
    this.#qos = qos
    this.#publisher = publisher
    this.#results = results
    this.#read()
  }

  static async open(port: number, qos: 0 | 1): Promise<SwapTraffic> {
    const results = await openRawSession(port, 'swap-results', { filter: 'swap/+/out', qos })
    return new SwapTraffic(qos, await openRawSession(port, 'swap-events'), results)
  }

  get totals(): SwapTotals {
    return this.#account.totals
  }

  /** When the first result of this version came; `undefined` before. */
  firstResultAt(version: number): number | undefined {
    return this.#firstAt.get(version)
  }

  /** Publishes from now on. */
  start(perSecond: number): void {
    let dueSince = performance.now()
    this.#timer = setInterval(() => {
      const now = performance.now()
      dueSince = Math.max(dueSince, now - catchUpMs)
      const room = this.#qos === 0 ? Infinity : inFlightMax - (this.#sent - this.#confirmed)
      const count = Math.min(Math.floor(((now - dueSince) * perSecond) / 1000), room)
      if (count <= 0) return
      dueSince += (count * 1000) / perSecond
      this.#publisher.write(Buffer.concat(Array.from({ length: count }, () => this.#next(now))))
    }, 1)
  }

  /** Publishes no more; resolves when every result is there, or none comes any more. */
  async finish(signal: AbortSignal): Promise<SwapTotals> {
    clearInterval(this.#timer)
    this.#lastResultAt = performance.now()
    while (this.totals.lost > 0 && performance.now() - this.#lastResultAt < silenceMs) {
      await sleep(50, undefined, { signal })
    }
    return this.totals
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#publisher.destroy()
    this.#results.destroy()
  }

  #next(now: number): Buffer {
    const key = this.#sent++ % swapKeys
    const n = this.#account.send(key)
    this.#publishedAt[key]?.push(now)
    const device = `d${key}`
    const payload = Buffer.from(JSON.stringify({ deviceInfo: { deviceName: device }, key, n }))
    if (this.#qos === 0) return encodePublish(`swap/${device}/in`, payload)
    const id = this.#id
    this.#id = nextId(id)
    return encodePublish(`swap/${device}/in`, payload, id)
  }

  #read(): void {
    const confirmations = new PacketSplitter((packet) => {
      if (packet[0] === packetType.puback) this.#confirmed += 1
    })
    this.#publisher.on('data', (chunk) => confirmations.take(chunk))
    let pubacks: number[] = []
    const results = new PacketSplitter((packet, bodyAt) => {
      if (((packet[0] ?? 0) & 0xf0) !== packetType.publish) return
      const { qos, topicEnd, payloadAt } = publishParts(packet, bodyAt)
      if (qos === 1) pubacks.push(packet.readUInt16BE(topicEnd))
      this.#answered(JSON.parse(packet.toString('utf8', payloadAt)) as SwapResult)
    })
    this.#results.on('data', (chunk) => {
      results.take(chunk)
      if (pubacks.length > 0) this.#results.write(encodePubacks(pubacks))
      pubacks = []
    })
    this.#publisher.resume()
    this.#results.resume()
  }

  #answered(result: SwapResult): void {
    const now = performance.now()
    this.#lastResultAt = now
    if (!this.#firstAt.has(result.version)) this.#firstAt.set(result.version, now)
    const publishedAt = this.#publishedAt[result.key]?.[result.n]
    const isFirst = this.#account.answer(result)
    if (isFirst && publishedAt !== undefined) this.flights.push({ publishedAt, answeredAt: now })
  }
}

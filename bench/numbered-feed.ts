import type { Socket } from 'node:net'
import {
  encodePubacks,
  encodePublish,
  nextId,
  openRawSession,
  packetType,
  PacketSplitter,
  publishParts,
} from './wire.ts'

/**
 * Events with numbers, `{"n":1}`, one by one into one rule, QoS 1, and the numbers that come back.
 * The rule reads from `<name>/in` and publishes to `<name>/out`.
 */
export class NumberedFeed implements Disposable {
  /** Called with the number of each result; one without a number is no result here. */
  answered: (n: number) => void = () => {}
  readonly #topic: string
  readonly #sender: Socket
  readonly #receiver: Socket
  #n = 0
  #id = 1

  private constructor(name: string, sender: Socket, receiver: Socket) {
    this.#topic = `${name}/in`
    this.#sender = sender
    this.#receiver = receiver
    let pubacks: number[] = []
    const splitter = new PacketSplitter((packet, bodyAt) => {
      if (((packet[0] ?? 0) & 0xf0) !== packetType.publish) return
      const { qos, topicEnd, payloadAt } = publishParts(packet, bodyAt)
      if (qos === 1) pubacks.push(packet.readUInt16BE(topicEnd))
      const { n } = JSON.parse(packet.toString('utf8', payloadAt)) as { n?: number }
      if (n !== undefined) this.answered(n)
    })
    receiver.on('data', (chunk) => {
      splitter.take(chunk)
      receiver.write(encodePubacks(pubacks))
      pubacks = []
    })
    sender.resume()
    receiver.resume()
  }

  static async open(port: number, name: string): Promise<NumberedFeed> {
    const receiver = await openRawSession(port, `${name}-results`, {
      filter: `${name}/out`,
      qos: 1,
    })
    return new NumberedFeed(name, await openRawSession(port, `${name}-events`), receiver)
  }

  /**
   * Publishes an event with further fields.
   *
   * @returns Its number.
   */
  send(fields: Readonly<Record<string, unknown>> = {}): number {
    this.#n += 1
    const payload = Buffer.from(JSON.stringify({ n: this.#n, ...fields }))
    this.#sender.write(encodePublish(this.#topic, payload, this.#id))
    this.#id = nextId(this.#id)
    return this.#n
  }

  [Symbol.dispose](): void {
    this.#sender.destroy()
    this.#receiver.destroy()
  }
}

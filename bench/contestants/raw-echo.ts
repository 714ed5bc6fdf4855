/**
 * Entry of the yardstick: sockets and a loop. Everything in one thread, every packet of one read
 * answered in one write, no checks. With QoS 1 a message is acknowledged when its result is, in
 * the order of receipt. Nothing that does its duty can cost less.
 */
import { handler, type VerdictEvent } from '../models/verdict/index.ts'
import { inputFilter, resultTopic } from '../messages.ts'
import {
  encodePubacks,
  encodePublish,
  nextId,
  openRawSession,
  packetType,
  PacketSplitter,
  publishParts,
} from '../wire.ts'

const port = Number(process.argv[2])
const qos = process.argv[3] === '1' ? 1 : 0

const publisher = await openRawSession(port, 'raw-publisher')
const subscriber = await openRawSession(port, 'raw-subscriber', { filter: inputFilter, qos })

let outgoing: Buffer[] = []
let resultId = 0
/** Ids of messages whose results are unconfirmed, oldest first. */
const unconfirmed: number[] = []
let confirmed = 0

const events = new PacketSplitter((packet, bodyAt) => {
  if (((packet[0] ?? 0) & 0xf0) !== packetType.publish) return
  const { topicEnd, payloadAt } = publishParts(packet, bodyAt)
  const topic = packet.toString('latin1', bodyAt + 2, topicEnd)
  const event = JSON.parse(packet.toString('utf8', payloadAt)) as VerdictEvent
  const result = Buffer.from(JSON.stringify(handler(event)))
  if (qos === 0) {
    outgoing.push(encodePublish(resultTopic(topic), result))
    return
  }
  unconfirmed.push(packet.readUInt16BE(topicEnd))
  resultId = nextId(resultId)
  outgoing.push(encodePublish(resultTopic(topic), result, resultId))
})
subscriber.on('data', (chunk) => {
  events.take(chunk)
  publisher.write(Buffer.concat(outgoing))
  outgoing = []
})

// The broker confirms in the order in which it was sent to.
const confirmations = new PacketSplitter((packet) => {
  if (packet[0] === packetType.puback) confirmed += 1
})
publisher.on('data', (chunk) => {
  confirmations.take(chunk)
  subscriber.write(encodePubacks(unconfirmed.splice(0, confirmed)))
  confirmed = 0
})

subscriber.resume()
publisher.resume()
process.on('disconnect', () => process.exit(1))
process.send?.('ready')

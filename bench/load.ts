/**
 * Entry of the load process: publishes at a rate, counts results. Started by `load-process.ts`
 * alone, with the port of the broker and the QoS. It dies with its parent.
 *
 * Messages leave on a tick of a millisecond, as many as are due: ten at a time at 10,000 a second.
 */
import type { FromLoad, LoadCounts, ToLoad } from './load-messages.ts'
import {
  deviceCount,
  firstSerial,
  resultFilter,
  serialOf,
  stamp,
  templates,
  timeOf,
} from './messages.ts'
import {
  encodePubacks,
  encodePublish,
  nextId,
  openRawSession,
  packetType,
  PacketSplitter,
  publishParts,
} from './wire.ts'

/** QoS 1 messages that may be without a PUBACK of the broker. */
const inFlightMax = 2_000
/** A generator that was held up makes up for this much at most: it is no flood. */
const catchUpMs = 100
/** Once nothing more is published: no result for this long means that none will come. */
const silenceMs = 3_000
/** Longest latency that is told from longer ones. */
const latencyMsMax = 5_000

const port = Number(process.argv[2])
const qos = process.argv[3] === '1' ? 1 : 0

/** By device; all of one length, with the payload in one place. */
const packets = templates.map(({ topic, payload }) =>
  encodePublish(topic, payload, qos === 0 ? undefined : 1),
)
const nothing = Buffer.alloc(0)
const packetBytes = packets[0]?.length ?? 0
const payloadAt = packetBytes - (templates[0]?.payload.length ?? 0)

let rate = 0
let rateSince = 0
let dueAtRate = 0
let sent = 0
let confirmed = 0
let id = 1
let received = 0
let disordered = 0
let wrongQos = 0
let lastResultAt = 0
const lastSerials: number[] = Array.from({ length: deviceCount }, () => 0)
const latencies = new Uint32Array(latencyMsMax + 1)

const results = await openRawSession(port, 'bench-counter', { filter: resultFilter, qos })
const publisher = await openRawSession(port, 'bench-publisher')

let pubacks: number[] = []
const resultSplitter = new PacketSplitter((packet, bodyAt) => {
  if (((packet[0] ?? 0) & 0xf0) === packetType.publish) count(packet, bodyAt)
})
results.on('data', (chunk) => {
  resultSplitter.take(chunk)
  if (pubacks.length === 0) return
  results.write(encodePubacks(pubacks))
  pubacks = []
})
const confirmSplitter = new PacketSplitter((packet) => {
  if (packet[0] === packetType.puback) confirmed += 1
})
publisher.on('data', (chunk) => confirmSplitter.take(chunk))

process.on('message', (message: ToLoad) => {
  if (message.type === 'rate') {
    rate = message.perSecond
    rateSince = performance.now()
    dueAtRate = sent
  } else if (message.type === 'count') {
    tell({ type: 'counts', ...counts() })
  } else {
    rate = 0
    finish()
  }
})
process.on('disconnect', () => process.exit(1))
results.resume()
publisher.resume()
setInterval(publishDue, 1)
tell({ type: 'ready' })

function publishDue(): void {
  if (rate === 0) return
  const now = performance.now()
  let due = dueAtRate + Math.floor(((now - rateSince) * rate) / 1000)
  const dueMax = sent + Math.ceil((catchUpMs * rate) / 1000)
  if (due > dueMax) {
    dueAtRate -= due - dueMax
    due = dueMax
  }
  let amount = due - sent
  if (qos === 1) amount = Math.min(amount, inFlightMax - (sent - confirmed))
  if (amount <= 0) return
  const bytes = Buffer.allocUnsafe(amount * packetBytes)
  const stampedAt = Date.now()
  for (let i = 0; i < amount; i++) writeNext(bytes, i * packetBytes, stampedAt)
  publisher.write(bytes)
}

function writeNext(target: Buffer, at: number, stampedAt: number): void {
  const serial = firstSerial + sent
  target.set(packets[serial % deviceCount] ?? nothing, at)
  stamp(target, at + payloadAt, serial, stampedAt)
  if (qos === 1) {
    target.writeUInt16BE(id, at + payloadAt - 2)
    id = nextId(id)
  }
  sent += 1
}

function count(packet: Buffer, bodyAt: number): void {
  const parts = publishParts(packet, bodyAt)
  if (parts.qos !== qos) wrongQos += 1
  if (parts.qos === 1) pubacks.push(packet.readUInt16BE(parts.topicEnd))
  const serial = serialOf(packet, parts.payloadAt)
  const device = serial % deviceCount
  if (serial > (lastSerials[device] ?? Infinity)) lastSerials[device] = serial
  else disordered += 1
  received += 1
  lastResultAt = performance.now()
  const latencyMs = Date.now() - timeOf(packet, parts.payloadAt)
  const bucket = Math.min(Math.max(latencyMs, 0), latencyMsMax)
  latencies[bucket] = (latencies[bucket] ?? 0) + 1
}

function counts(): LoadCounts {
  const [p50Ms, p99Ms] = [quantileMs(0.5), quantileMs(0.99)]
  latencies.fill(0)
  return { sent, received, disordered, wrongQos, p50Ms, p99Ms }
}

function quantileMs(share: number): number {
  const total = latencies.reduce((sum, count) => sum + count, 0)
  let below = 0
  return latencies.findIndex((count) => (below += count) >= share * total)
}

function finish(): void {
  lastResultAt = performance.now()
  const timer = setInterval(() => {
    if (received < sent && performance.now() - lastResultAt < silenceMs) return
    clearInterval(timer)
    tell({ type: 'counts', ...counts() })
  }, 20)
}

function tell(message: FromLoad): void {
  process.send?.(message)
}

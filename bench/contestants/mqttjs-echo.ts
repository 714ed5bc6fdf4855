/**
 * Entry of the echo that MQTT.js allows: acknowledgements deferred until the result is confirmed,
 * in order, through `handleMessage` and the private `_sendPacket`, with one client to subscribe and
 * one to publish. Without reconnects, epochs, matching, queues or another thread: what edgeboot does
 * besides is not in it.
 */
import { connect, type IPublishPacket, type MqttClient } from 'mqtt'
import { handler, type VerdictEvent } from '../models/verdict/index.ts'
import { inputFilter, resultTopic } from '../messages.ts'

/** Messages that may wait for their acknowledgement; above it MQTT.js is kept from parsing on. */
const windowMax = 1_000
/** An error in the callback of `handleMessage` means: no PUBACK, and parse on. */
const deferred = new Error('acknowledged later')

/** What the types of MQTT.js leave out. */
interface PrivateParts {
  _sendPacket(packet: { cmd: 'puback'; messageId: number; reasonCode: number }): void
}

interface Entry {
  readonly id: number
  settled: boolean
}

const port = Number(process.argv[2])
const qos = process.argv[3] === '1' ? 1 : 0

const publisher = open('mqttjs-publisher')
const subscriber = open('mqttjs-subscriber')
const acknowledging = subscriber as unknown as PrivateParts
const entries: Entry[] = []
let parseOn: (() => void) | undefined

subscriber.handleMessage = (packet, done) => {
  if (packet.qos === 0) {
    publishResult(packet)
    done()
    return
  }
  const entry: Entry = { id: packet.messageId ?? 0, settled: false }
  entries.push(entry)
  publishResult(packet, () => {
    entry.settled = true
    acknowledge()
  })
  const goOn = (): void => done(deferred)
  if (entries.length < windowMax) goOn()
  else parseOn = goOn
}

await Promise.all([connected(publisher), connected(subscriber)])
await subscriber.subscribeAsync(inputFilter, { qos })
process.on('disconnect', () => process.exit(1))
process.send?.('ready')

function open(clientId: string): MqttClient {
  return connect(`mqtt://127.0.0.1:${port}`, {
    clientId,
    protocolVersion: 5,
    clean: true,
    reconnectPeriod: 0,
    properties: { receiveMaximum: windowMax },
  })
}

function connected(client: MqttClient): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('connect', () => resolve())
    client.once('error', reject)
  })
}

function publishResult(packet: IPublishPacket, confirmed?: () => void): void {
  const event = JSON.parse(packet.payload.toString()) as VerdictEvent
  publisher.publish(resultTopic(packet.topic), JSON.stringify(handler(event)), { qos }, (error) => {
    if (error) throw error
    confirmed?.()
  })
}

function acknowledge(): void {
  while (entries[0]?.settled === true) {
    const { id } = entries.shift() as Entry
    acknowledging._sendPacket({ cmd: 'puback', messageId: id, reasonCode: 0 })
  }
  if (parseOn === undefined || entries.length >= windowMax) return
  const goOn = parseOn
  parseOn = undefined
  goOn()
}

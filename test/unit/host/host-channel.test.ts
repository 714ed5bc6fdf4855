/** Both ends of the channel between the main process and a host, without the processes. */
import assert from 'node:assert/strict'
import { duplexPair, type Duplex } from 'node:stream'
import { beforeEach, test } from 'node:test'
import type { EdgebootError } from '../../../src/core/errors.ts'
import { HostChannel } from '../../../src/host/host-channel.ts'
import {
  fromHost,
  fromHostBytesPerSecondMax,
  toHost,
  type FromHost,
  type ToHost,
} from '../../../src/host/host-messages.ts'
import { ParentChannel } from '../../../src/host/parent-channel.ts'
import { parseFromHost } from '../../../src/host/parse-from-host.ts'
import { emptyStats } from '../../../src/pipeline/ledger.ts'
import { encodeJsonFrame } from '../../../src/runtime/frame.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { until } from '../../support/wait.ts'

let clock: FakeClock
let mainEnd: Duplex
let hostEnd: Duplex
let heard: FromHost[]
let broken: EdgebootError[]
let ended: number

beforeEach(() => {
  clock = new FakeClock()
  ;[mainEnd, hostEnd] = duplexPair()
  heard = []
  broken = []
  ended = 0
})

function openMain(
  received: (message: FromHost) => void = (message) => void heard.push(message),
): HostChannel<FromHost, ToHost> {
  return new HostChannel<FromHost, ToHost>(mainEnd, {
    incoming: fromHost,
    outgoing: toHost,
    parse: parseFromHost,
    received,
    broke: (error) => broken.push(error),
    ended: () => (ended += 1),
    pace: { clock, bytesPerSecondMax: fromHostBytesPerSecondMax },
  })
}

function openHost(): { channel: ParentChannel; orders: ToHost[] } {
  const orders: ToHost[] = []
  const channel = new ParentChannel(hostEnd, {
    received: (message) => orders.push(message),
    broke: () => {},
    ended: () => {},
  })
  return { channel, orders }
}

const line = (n: number, text = ''): FromHost & { type: 'log' } => ({
  type: 'log',
  level: 'info',
  event: 'model.log',
  fields: { n, text },
})
const lineNumbers = (): unknown[] =>
  heard.flatMap((message) => (message.type === 'log' ? [message.fields['n']] : []))

test('messages come in the order in which they were sent, both ways', async () => {
  const main = openMain()
  const { channel, orders } = openHost()
  for (let n = 0; n < 100; n++) channel.log(line(n))
  main.send({ type: 'go' })
  main.send({ type: 'stop', drainMs: 1 })
  await until('all of them', () => heard.length === 100 && orders.length === 2)
  assert.deepEqual(
    lineNumbers(),
    Array.from({ length: 100 }, (_, n) => n),
  )
  assert.deepEqual(orders, [{ type: 'go' }, { type: 'stop', drainMs: 1 }])
})

test('the end of the other side is told once, and what is sent after it is dropped', async () => {
  const main = openMain()
  hostEnd.destroy()
  await until('the end', () => ended)
  let left = 0
  assert.equal(
    main.send({ type: 'go' }, () => (left += 1)),
    false,
  )
  assert.deepEqual([ended, left], [1, 1])
})

test('nothing is heard behind what breaks the protocol', async () => {
  openMain()
  const good = encodeJsonFrame(fromHost.type, line(1))
  hostEnd.write(Buffer.concat([good, encodeJsonFrame(fromHost.type, { type: 'x' }), good]))
  await until('the fault', () => broken.length)
  hostEnd.write(good)
  hostEnd.end(good)
  await until('the end', () => ended)
  assert.deepEqual([lineNumbers(), broken.length], [[1], 1])
})

test('a listener that throws ends the host, not the main process', async () => {
  openMain(() => {
    throw new TypeError('a fault of our own')
  })
  hostEnd.write(encodeJsonFrame(fromHost.type, line(1)))
  await until('the fault', () => broken.length)
  assert.match(broken[0]?.message ?? '', /a fault of our own/)
})

test('a host that says too much has to wait, until it has ended', async () => {
  const main = openMain()
  const text = 'x'.repeat(16 * 1024)
  const total = 200
  for (let n = 0; n < total; n++) hostEnd.write(encodeJsonFrame(fromHost.type, line(n, text)))
  const linesPerSecond = fromHostBytesPerSecondMax / text.length
  await until('the limit', () => mainEnd.isPaused())
  assert.ok(heard.length <= linesPerSecond + 8, `${heard.length} lines in the first second`)
  const inFirst = heard.length
  clock.advance(1000)
  await until('the limit again', () => heard.length > inFirst && mainEnd.isPaused())
  assert.ok(heard.length <= 2 * (linesPerSecond + 8))
  main.readOn()
  await until('the rest', () => heard.length === total)
})

test('what is no JSON, or too large, is not sent', () => {
  const main = openMain()
  assert.equal(main.send({ type: 'stop', drainMs: 1n as unknown as number }), false)
  const large = { topic: 'x'.repeat(toHost.bytesMax), type: 'trail', requestId: 1, lastMax: 1 }
  assert.equal(main.send(large as ToHost), false)
})

test('a main process that does not read costs log lines, which are counted, and nothing else', async () => {
  const { channel } = openHost()
  const text = 'x'.repeat(64 * 1024)
  for (let n = 0; n < 100; n++) channel.log(line(n, text))
  const stats = emptyStats()
  channel.beat(() => stats)
  channel.tell({ type: 'state', state: 'BACKOFF', reason: '' })
  channel.tell({ type: 'stats', requestId: 1, stats })
  assert.ok(hostEnd.writableLength < 1.2 * 1024 ** 2)
  const main = openMain()
  main.readOn()
  await until('the number of lines lost', () =>
    heard.some((message) => message.type === 'log' && message.event === 'host.lines-lost'),
  )
  const kept = heard.filter((message) => message.type === 'log' && message.event === 'model.log')
  assert.deepEqual(heard.slice(kept.length), [
    { type: 'state', state: 'BACKOFF', reason: '' },
    { type: 'stats', requestId: 1, stats },
    { type: 'log', level: 'warn', event: 'host.lines-lost', fields: { lines: 100 - kept.length } },
  ])
})

test('a line with what JSON cannot hold is lost and counted', async () => {
  openMain()
  const { channel } = openHost()
  channel.log({ ...line(1), fields: { n: 1n } })
  channel.beat(emptyStats)
  await until('the number', () => heard.length === 2)
  const lost = { type: 'log', level: 'warn', event: 'host.lines-lost', fields: { lines: 1 } }
  assert.deepEqual(heard[0], lost)
})

test('the last message has left when that is told', async () => {
  openMain()
  const { channel } = openHost()
  const left = Promise.withResolvers<void>()
  channel.sayLast({ type: 'stats', stats: emptyStats() }, left.resolve)
  await left.promise
  await until('it', () => heard.length === 1)
})

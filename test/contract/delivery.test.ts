/**
 * A whole pipeline with QoS 1 between two scripted brokers: what is acknowledged, when, and that
 * the counts are right, whatever the brokers do.
 */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { limits } from '../../src/core/limits.ts'
import { DeliveryBench, type DeliveryOptions } from '../support/delivery-bench.ts'
import { reply } from '../support/scripted-broker.ts'
import { until } from '../support/wait.ts'

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

for (const protocol of ['5', '3.1.1'] as const) {
  const start = (context: TestContext, options?: DeliveryOptions): Promise<DeliveryBench> =>
    DeliveryBench.start(context, protocol, options)

  describe(`a pipeline with QoS 1 over MQTT ${protocol}`, () => {
    it('acknowledges a message only after the PUBACK for its result', async (t) => {
      const bench = await start(t)
      bench.input.send([1, 2])
      await bench.arrived(2)
      await bench.quiet()
      assert.deepEqual(bench.input.acknowledged, [])
      assert.equal(bench.stats.unacknowledged, 2)
      bench.output.results[0]?.confirm()
      assert.deepEqual(await bench.acknowledged(1), [1])
      await bench.quiet()
      assert.deepEqual(bench.input.acknowledged, [1])
      bench.output.results[1]?.confirm()
      assert.deepEqual(await bench.acknowledged(2), [1, 2])
      const { received, published } = await bench.settled()
      assert.deepEqual([received, published, bench.dropped], [2, 2, {}])
    })

    it('acknowledges in order although results are confirmed out of order', async (t) => {
      const bench = await start(t)
      bench.input.send(numbers(1, 20))
      await bench.arrived(20)
      assert.deepEqual(bench.numbers, numbers(1, 20))
      for (const result of bench.output.results.slice(1).toReversed()) result.confirm()
      await until('their count', () => bench.stats.published === 19)
      assert.deepEqual(bench.input.acknowledged, [])
      bench.output.results[0]?.confirm()
      assert.deepEqual(await bench.acknowledged(20), numbers(1, 20))
    })

    it('acknowledges nothing of a lost connection, and what comes again once', async (t) => {
      const bench = await start(t)
      bench.input.send([1, 2, 3])
      await bench.arrived(3)
      bench.input.cut()
      await bench.input.subscribed(2)
      // Other messages under the ids of the old ones, which a late acknowledgement would hit.
      bench.input.send([2, 3, 1], { duplicate: true })
      await bench.arrived(6)
      for (const result of bench.output.results.slice(0, 3)) result.confirm()
      await until('their count', () => bench.stats.published === 3)
      await bench.quiet()
      assert.deepEqual(bench.input.acknowledged, [])
      for (const result of bench.output.results.slice(3)) result.confirm()
      assert.deepEqual(await bench.acknowledged(3), [2, 3, 1])
      const { received, published, redelivered, reconnects, sessionsLost } = await bench.settled()
      assert.deepEqual([received, published, redelivered], [6, 6, 3])
      assert.deepEqual([reconnects, sessionsLost, bench.dropped], [1, 0, {}])
    })

    it('acknowledges nothing when the output broker says nothing', async (t) => {
      const bench = await start(t)
      bench.output.isMute = true
      bench.input.send(numbers(1, 5))
      await bench.arrived(5)
      await bench.quiet()
      assert.deepEqual(bench.input.acknowledged, [])
      await bench.pipeline.stop(200)
      assert.deepEqual(bench.input.acknowledged, [])
      const { received, published, inMotion } = bench.stats
      assert.deepEqual([received, published, inMotion], [5, 0, 0])
      assert.deepEqual(bench.dropped, { unacknowledged: 5 })
    })

    it('acknowledges nothing while the output broker is away, and everything afterwards', async (t) => {
      const bench = await start(t, { sink: () => ({ timeoutMs: 300 }) })
      bench.output.isMute = true
      bench.output.cut()
      await until('the loss', () => bench.pipeline.health.state !== 'READY')
      bench.input.send(numbers(1, 5))
      await until('their results', () => bench.stats.postQueue === 5)
      await bench.input.roundTrip()
      assert.deepEqual(bench.input.acknowledged, [])
      bench.output.isMute = false
      bench.output.confirms = true
      bench.output.cut()
      assert.deepEqual(await bench.acknowledged(5), numbers(1, 5))
      assert.deepEqual([bench.numbers, bench.dropped], [numbers(1, 5), {}])
    })

    it('sends results again with DUP that a broken connection had not confirmed', async (t) => {
      const bench = await start(t)
      bench.input.send([1, 2, 3])
      await bench.arrived(3)
      bench.output.results[0]?.confirm()
      await bench.acknowledged(1)
      bench.output.confirms = true
      bench.output.cut()
      await bench.acknowledged(3)
      const again = bench.output.results.slice(3)
      assert.deepEqual(
        again.map(({ payload, duplicate, connection }) => [payload, duplicate, connection]),
        [2, 3].map((n) => [JSON.stringify({ n }), true, 2]),
      )
      const { published } = await bench.settled()
      assert.deepEqual([published, bench.input.acknowledged], [3, [1, 2, 3]])
    })

    it('counts a session that the broker no longer knows, and serves the new one', async (t) => {
      const bench = await start(t)
      bench.input.keepsSession = false
      bench.input.send([1, 2])
      await bench.arrived(2)
      bench.input.cut()
      await bench.input.subscribed(2)
      bench.output.confirms = true
      for (const result of bench.output.results) result.confirm()
      bench.input.send([1])
      assert.deepEqual(await bench.acknowledged(1), [1])
      const { sessionsLost, received, published, redelivered } = await bench.settled()
      assert.deepEqual([sessionsLost, received, published, redelivered], [1, 3, 3, 0])
      assert.equal(bench.log.of('broker.session-lost').length, 1)
    })

    it('has no more than its window in it when the broker sends more', async (t) => {
      const bench = await start(t, { source: { window: 4 } })
      bench.input.send(numbers(1, 50))
      await bench.arrived(4)
      await bench.resultsQuiet()
      const { received, unacknowledged } = bench.stats
      assert.deepEqual([received, unacknowledged, bench.output.results.length], [4, 4, 4])
      bench.output.confirms = true
      for (const result of bench.output.results) result.confirm()
      assert.deepEqual(await bench.acknowledged(50), numbers(1, 50))
      assert.deepEqual(bench.numbers, numbers(1, 50))
      assert.equal((await bench.settled()).published, 50)
    })

    it('acknowledges a payload that is too large without keeping it, and counts it', async (t) => {
      const bench = await start(t)
      bench.output.confirms = true
      bench.input.send([1], { payload: Buffer.alloc(limits.payloadBytesMax + 1, 32) })
      bench.input.send([2])
      assert.deepEqual(await bench.acknowledged(2), [1, 2])
      const { received, receivedBytes, published } = await bench.settled()
      const bytes = limits.payloadBytesMax + 1 + '{"n":2}'.length
      assert.deepEqual([received, receivedBytes, published], [2, bytes, 1])
      assert.deepEqual(bench.dropped, { decode: 1 })
    })

    it('takes the largest message that MQTT has without keeping it in memory', async (t) => {
      const bench = await start(t)
      bench.output.confirms = true
      const topic = Buffer.from('in/a')
      const remaining = 268_435_455
      const properties = protocol === '5' ? [0] : []
      const head = Buffer.from([0x32, 0xff, 0xff, 0xff, 0x7f, 0, topic.length, ...topic, 0, 1])
      bench.input.write(Buffer.concat([head, Buffer.from(properties)]))
      const { socket } = bench.input
      const chunk = Buffer.alloc(1024 * 1024, 32)
      const before = process.memoryUsage().rss
      let peak = before
      let left = remaining - 2 - topic.length - 2 - properties.length
      const payloadBytes = left
      while (left > 0) {
        const piece = chunk.subarray(0, left)
        left -= piece.length
        if (!socket.write(piece)) await new Promise((resolve) => socket.once('drain', resolve))
        peak = Math.max(peak, process.memoryUsage().rss)
      }
      bench.input.send([2])
      assert.deepEqual(await bench.acknowledged(2), [1, 2])
      // Some of what was read is garbage that is not collected yet.
      assert.ok(peak - before < (remaining * 3) / 4, `${(peak - before) / 1024 / 1024} MiB more`)
      const { receivedBytes } = await bench.settled()
      assert.equal(receivedBytes, payloadBytes + '{"n":2}'.length)
      assert.deepEqual(bench.dropped, { decode: 1 })
    })

    it('carries a topic of 65,535 bytes, and counts a result whose topic would be longer', async (t) => {
      const carried = 'out/${topic}'
      const bench = await start(t, { sink: () => ({ topic: carried }) })
      bench.output.confirms = true
      const topicOf = (bytes: number): string => 'in/'.padEnd(bytes, 'x')
      bench.input.send([1], { topic: topicOf(65_535 - 'out/'.length) })
      bench.input.send([2], { topic: topicOf(65_535) })
      assert.deepEqual(await bench.acknowledged(2), [1, 2])
      const { received, published } = await bench.settled()
      assert.deepEqual([received, published], [2, 1])
      const [dropped] = Object.keys(bench.dropped)
      assert.ok(dropped === 'topic' || dropped === 'too-large', dropped)
      assert.deepEqual(
        bench.output.results.map(({ topic }) => topic.length),
        [65_535],
      )
    })

    it('gives the connection up on what is not MQTT, and gets its messages on the next', async (t) => {
      const bench = await start(t)
      bench.input.send([1, 2])
      await bench.arrived(2)
      bench.input.write(Buffer.from([0x3f, 0xff, 0xff, 0xff, 0xff, 0xff]))
      await bench.input.subscribed(2)
      bench.output.confirms = true
      bench.input.send([1, 2], { duplicate: true })
      assert.deepEqual(await bench.acknowledged(2), [1, 2])
      for (const result of bench.output.results.slice(0, 2)) result.confirm()
      const { received, published, redelivered } = await bench.settled()
      assert.deepEqual([received, published, redelivered, bench.dropped], [4, 4, 2, {}])
      const [line] = bench.log.of('broker.unavailable')
      assert.match(String(line?.['code']), /^BROKER_/)
    })

    it('sends its results again after what is not MQTT from the output broker', async (t) => {
      const bench = await start(t)
      bench.input.send([1])
      await bench.arrived(1)
      bench.output.confirms = true
      bench.output.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))
      assert.deepEqual(await bench.acknowledged(1), [1])
      assert.deepEqual(bench.numbers, [1, 1])
      assert.equal((await bench.settled()).published, 1)
    })

    it('takes no PUBACK for one that it never sent', async (t) => {
      const bench = await start(t)
      bench.input.send([1])
      await bench.arrived(1)
      for (const id of [0x7fff, 0xffff]) bench.output.write(reply.puback(5, id))
      // The input publishes nothing: every PUBACK there is for nothing.
      bench.input.write(reply.puback(5, 1))
      await bench.quiet()
      assert.deepEqual(bench.input.acknowledged, [])
      bench.output.results[0]?.confirm()
      assert.deepEqual(await bench.acknowledged(1), [1])
      const { published, reconnects } = await bench.settled()
      assert.deepEqual([published, reconnects], [1, 0])
    })

    it('finds out that the input broker is only half there, and gets its messages again', async (t) => {
      const bench = await start(t, { before: ({ input }) => input.everySecond() })
      bench.input.send([1])
      await bench.arrived(1)
      bench.input.isMute = true
      await until('the loss', () => bench.pipeline.health.state !== 'READY')
      bench.input.isMute = false
      await bench.ready()
      bench.output.confirms = true
      bench.output.results[0]?.confirm()
      bench.input.send([9], { duplicate: true })
      assert.deepEqual(await bench.acknowledged(1), [9])
      const { redelivered, published } = await bench.settled()
      assert.deepEqual([redelivered, published], [1, 2])
    })

    it('finds out that the output broker is only half there, and sends its results again', async (t) => {
      const bench = await start(t, { before: ({ output }) => output.everySecond() })
      bench.output.isMute = true
      bench.input.send([1])
      await until('the loss', () => bench.pipeline.health.state !== 'READY')
      assert.deepEqual(bench.input.acknowledged, [])
      bench.output.isMute = false
      bench.output.confirms = true
      assert.deepEqual(await bench.acknowledged(1), [1])
      assert.equal(bench.output.results.at(-1)?.duplicate, true)
      assert.equal((await bench.settled()).published, 1)
    })

    it('tries again brokers that accept and say nothing from the start', async (t) => {
      const bench = await start(t, {
        unconnected: true,
        before: ({ input, output }) => {
          for (const end of [input, output]) {
            end.everySecond()
            end.isMute = true
          }
        },
      })
      await until('second attempts', () =>
        [bench.input, bench.output].every(({ connections }) => connections > 1),
      )
      for (const end of [bench.input, bench.output]) end.isMute = false
      await bench.ready()
      bench.output.confirms = true
      bench.input.send([1])
      assert.deepEqual(await bench.acknowledged(1), [1])
    })
  })
}

describe('a pipeline with QoS 1 and what only MQTT 5 can say', () => {
  const start = (context: TestContext, options?: DeliveryOptions): Promise<DeliveryBench> =>
    DeliveryBench.start(context, '5', options)

  it('keeps to the receive maximum of the output broker', async (t) => {
    const bench = await start(t, {
      before: ({ output }) => (output.properties = [0x21, 0, 3]),
    })
    bench.input.send(numbers(1, 10))
    for (let n = 1; n <= 10; n++) {
      await bench.arrived(Math.min(n + 2, 10))
      await bench.resultsQuiet()
      assert.equal(bench.output.results.length, Math.min(n + 2, 10))
      bench.output.results[n - 1]?.confirm()
    }
    assert.deepEqual(await bench.acknowledged(10), numbers(1, 10))
    assert.deepEqual(bench.numbers, numbers(1, 10))
  })

  it('asks for as many messages as its window', async (t) => {
    const bench = await start(t, { source: { window: 4 } })
    const connect = bench.input.broker.packets[0]?.decoded
    assert.equal(connect?.cmd === 'connect' && connect.properties?.receiveMaximum, 4)
  })

  it('acknowledges and counts a result that is larger than the output broker takes', async (t) => {
    const bench = await start(t, {
      model: "export const handler = ({ n }) => (n === 1 ? 'x'.repeat(5000) : { n })\n",
      before: ({ output }) => {
        output.properties = [0x27, 0, 0, 8, 0]
        output.confirms = true
      },
    })
    bench.input.send([1, 2])
    assert.deepEqual(await bench.acknowledged(2), [1, 2])
    const { published } = await bench.settled()
    assert.deepEqual([published, bench.dropped, bench.numbers], [1, { 'too-large': 1 }, [2]])
  })

  it('acknowledges and counts a result that is refused, with a code that nobody knows too', async (t) => {
    const bench = await start(t)
    bench.input.send([1, 2, 3])
    await bench.arrived(3)
    for (const [index, code] of [0x87, 0xfe, 0x10].entries()) {
      bench.output.results[index]?.confirm(code)
    }
    assert.deepEqual(await bench.acknowledged(3), [1, 2, 3])
    const { published } = await bench.settled()
    assert.deepEqual([published, bench.dropped], [1, { refused: 2 }])
    const reasons = bench.log.of('result.refused').map(({ reason }) => reason)
    assert.deepEqual(reasons, ['not authorised', 'unknown reason code 0xFE'])
  })

  it('acknowledges nothing of a result that the broker has no room for until it has', async (t) => {
    const bench = await start(t)
    bench.input.send([1])
    await bench.arrived(1)
    bench.output.results[0]?.confirm(0x97)
    await bench.arrived(2)
    assert.deepEqual(bench.input.acknowledged, [])
    bench.output.results[1]?.confirm()
    assert.deepEqual(await bench.acknowledged(1), [1])
    assert.equal((await bench.settled()).published, 1)
  })

  it('names the unknown code of a DISCONNECT, and gets its messages again', async (t) => {
    const bench = await start(t)
    bench.input.send([1])
    await bench.arrived(1)
    bench.input.write(reply.disconnect5(0xf1))
    await bench.input.subscribed(2)
    assert.match(String(bench.log.of('broker.unavailable')[0]?.['reason']), /0xF1/)
    bench.output.results[0]?.confirm()
    await until('its count', () => bench.stats.published === 1)
    assert.deepEqual(bench.input.acknowledged, [])
  })

  it('acknowledges nothing more once another client has taken the session of its source', async (t) => {
    const bench = await start(t)
    bench.input.send([1, 2])
    await bench.arrived(2)
    bench.input.write(reply.disconnect5(0x8e))
    await until('the takeover', () => bench.log.of('broker.session-taken').length === 1)
    for (const result of bench.output.results) result.confirm()
    await until('their count', () => bench.stats.published === 2)
    assert.deepEqual([bench.input.acknowledged, bench.input.connections], [[], 1])
    assert.match(bench.pipeline.health.reason, /another client/)
    assert.equal(bench.stats.inMotion, 0)
  })

  it('acknowledges nothing while another client has the client id of its sink', async (t) => {
    const bench = await start(t)
    bench.input.send([1, 2])
    await bench.arrived(2)
    bench.output.write(reply.disconnect5(0x8e))
    await until('the takeover', () => bench.log.of('broker.session-taken').length === 1)
    await bench.input.roundTrip()
    assert.deepEqual(bench.input.acknowledged, [])
    assert.deepEqual([bench.stats.inMotion, bench.stats.unacknowledged], [2, 2])
  })
})

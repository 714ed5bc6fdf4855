/** What every Source and every Sink promises with QoS 0, over memory and over MQTT in all its dresses. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import {
  type TransportImplementation,
  transportImplementations,
} from '../support/transport-implementations.ts'
import { uniqueId } from '../support/transport-fixture.ts'
import { until } from '../support/wait.ts'

for (const implementation of transportImplementations) {
  describe(
    `a transport over ${implementation.name}`,
    { skip: implementation.skip ?? false },
    () => {
      const opened: { close(deadlineMs: number): Promise<void> }[] = []
      const openSource = async (
        topic: string,
      ): ReturnType<TransportImplementation['openSource']> => {
        const made = await implementation.openSource(topic)
        opened.push(made.source)
        return made
      }
      const openSink = async (): ReturnType<TransportImplementation['openSink']> => {
        const made = await implementation.openSink()
        opened.push(made.sink)
        return made
      }
      before(() => implementation.open())
      after(() => implementation.close())
      // So that a test that fails leaves nothing running.
      afterEach(async () => {
        await Promise.all(opened.splice(0).map((each) => each.close(100)))
      })

      it('is first connecting, then connected with its protocol, then closed', async () => {
        const { source, record } = await openSource('in/#')
        const { sink, record: sinkRecord } = await openSink()
        await source.close()
        await sink.close(1000)
        for (const { statuses, states } of [record, sinkRecord]) {
          assert.deepEqual(statuses, ['connecting', 'connected', 'closed'])
          assert.equal(
            states[1]?.status === 'connected' && states[1].protocol,
            implementation.protocol,
          )
        }
      })

      it('delivers topic, payload and flags, Chinese and empty ones included', async () => {
        const root = uniqueId('in/设备')
        const { source, record } = await openSource(`${root}/#`)
        await implementation.send(`${root}/水泵/温度`, '{"值":1}')
        await implementation.send(`${root}/leer`, '')
        await until('both messages', () => record.messages.length === 2)
        await source.close()
        const [first, second] = record.messages
        assert.equal(first?.topic, `${root}/水泵/温度`)
        assert.equal(Buffer.from(first.payload).toString(), '{"值":1}')
        assert.deepEqual([first.qos, first.retain, first.duplicate], [0, false, false])
        assert.equal(first.ack, undefined)
        assert.equal(second?.payload.length, 0)
      })

      it('delivers a large payload byte for byte', async () => {
        const topic = uniqueId('in/large')
        const { source, record } = await openSource(topic)
        const payload = Buffer.alloc(implementation.payloadBytesMax ?? 1024 * 1024, 'edgeboot')
        await implementation.send(topic, payload)
        await until('the message', () => record.messages.length === 1)
        await source.close()
        assert.ok(payload.equals(record.messages[0]?.payload ?? Buffer.alloc(0)))
      })

      it('keeps the order of 5,000 messages', async () => {
        const topic = uniqueId('in/order')
        const { source, record } = await openSource(topic)
        for (let i = 0; i < 5000; i += 500) {
          const numbers = Array.from({ length: 500 }, (_, k) => String(i + k))
          await Promise.all(numbers.map((number) => implementation.send(topic, number)))
        }
        await until('all messages', () => record.messages.length === 5000)
        await source.close()
        assert.deepEqual(
          record.texts,
          Array.from({ length: 5000 }, (_, i) => String(i)),
        )
      })

      it('stops reading while paused and loses nothing', async () => {
        const topic = uniqueId('in/pause')
        const { source, record } = await openSource(topic)
        source.pause()
        source.pause()
        for (let i = 0; i < 200; i++) void implementation.send(topic, String(i))
        // Something else that comes through shows that the broker had its time.
        const { source: other, record: otherRecord } = await openSource(topic)
        await implementation.send(topic, 'end')
        await until('the other source', () => otherRecord.texts.includes('end'))
        assert.ok(record.messages.length <= 1, `${record.messages.length} came while paused`)
        source.resume()
        source.resume()
        if (implementation.protocol !== 'memory')
          await until('the rest', () => record.texts.includes('end'))
        const numbers = record.texts.filter((text) => text !== 'end')
        assert.deepEqual(
          numbers,
          Array.from({ length: 200 }, (_, i) => String(i)),
        )
        await source.close()
        await other.close()
      })

      it('delivers nothing after drain, and close may be called twice', async () => {
        const topic = uniqueId('in/drain')
        const { source, record } = await openSource(topic)
        await implementation.send(topic, 'before')
        await until('the first message', () => record.messages.length === 1)
        source.drain()
        await implementation.send(topic, 'after')
        source.resume()
        await source.close()
        await source.close()
        assert.deepEqual(record.texts, ['before'])
        assert.equal(record.statuses.filter((status) => status === 'closed').length, 1)
      })

      it('publishes in order and settles each result once', async () => {
        const topic = uniqueId('out/order')
        const { sink, record } = await openSink()
        for (let i = 0; i < 1000; i++) {
          sink.publish({ topic, payload: Buffer.from(String(i)) }, record.settled)
        }
        await until('all settled', () => record.outcomes.length === 1000)
        assert.equal(sink.pending, 0)
        await until('all at the far side', () => implementation.seen(topic).length === 1000)
        await sink.close(1000)
        assert.deepEqual(new Set(record.outcomes), new Set(['published']))
        assert.deepEqual(
          implementation.seen(topic).map(({ text }) => text),
          Array.from({ length: 1000 }, (_, i) => String(i)),
        )
      })

      it('publishes empty results, Chinese topics and 1 MiB', async () => {
        const root = uniqueId('out/结果')
        const large = 'x'.repeat(1024 * 1024)
        const { sink, record } = await openSink()
        sink.publish({ topic: `${root}/空`, payload: Buffer.alloc(0) }, record.settled)
        sink.publish({ topic: `${root}/large`, payload: Buffer.from(large) }, record.settled)
        sink.publish({ topic: `${root}/后`, payload: Buffer.from('值') }, record.settled)
        await until('all at the far side', () => implementation.seen(root).length === 3)
        await sink.close(1000)
        assert.deepEqual(implementation.seen(root), [
          { topic: `${root}/空`, text: '' },
          { topic: `${root}/large`, text: large },
          { topic: `${root}/后`, text: '值' },
        ])
      })

      it('settles what is published after close as closed', async () => {
        const { sink, record } = await openSink()
        await sink.close(1000)
        await sink.close(1000)
        sink.publish({ topic: 'out/late', payload: Buffer.from('late') }, record.settled)
        assert.deepEqual(record.outcomes, ['closed'])
        assert.equal(record.statuses.filter((status) => status === 'closed').length, 1)
      })

      it('sends what was published just before close', async () => {
        const topic = uniqueId('out/last')
        const { sink, record } = await openSink()
        for (let i = 0; i < 100; i++) {
          sink.publish({ topic, payload: Buffer.from(String(i)) }, record.settled)
        }
        await sink.close(5000)
        assert.equal(record.outcomes.length, 100)
        await until('all at the far side', () => implementation.seen(topic).length === 100)
      })
    },
  )
}

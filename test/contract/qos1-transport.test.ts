/** What every Source and every Sink promises with QoS 1, over memory and over MQTT. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import type { Source, SourceMessage } from '../../src/transport/transport.ts'
import {
  type OpenedSource,
  type SourceOptions,
  type TransportImplementation,
  transportImplementations,
} from '../support/transport-implementations.ts'
import { uniqueId } from '../support/transport-fixture.ts'
import { until } from '../support/wait.ts'

const texts = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => String(from + i))

function acknowledge(source: Source, messages: readonly SourceMessage[]): void {
  for (const { ack } of messages) {
    assert.ok(ack !== undefined, 'a message without a token')
    source.acknowledge(ack)
  }
}

for (const implementation of transportImplementations) {
  describe(`QoS 1 over ${implementation.name}`, { skip: implementation.skip ?? false }, () => {
    const opened: { close(deadlineMs: number): Promise<void> }[] = []
    const openSource = async (
      topic: string,
      options: SourceOptions = {},
    ): Promise<OpenedSource> => {
      const made = await implementation.openSource(topic, { qos: 1, ...options })
      opened.push(made.source)
      return made
    }
    const succeed = async (source: Source): Promise<OpenedSource> => {
      await source.close()
      const made = await implementation.succeed(source)
      opened.push(made.source)
      return made
    }
    const openSink = async (): ReturnType<TransportImplementation['openSink']> => {
      const made = await implementation.openSink(1)
      opened.push(made.sink)
      return made
    }
    const send = async (topic: string, from: number, to: number): Promise<void> => {
      await Promise.all(texts(from, to).map((text) => implementation.send(topic, text, 1)))
    }
    before(() => implementation.open())
    after(() => implementation.close())
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((each) => each.close(100)))
    })

    it('sends again what was not acknowledged, in order and marked, and nothing else', async () => {
      const topic = uniqueId('in/again')
      const { source, record } = await openSource(topic)
      await send(topic, 0, 10)
      await until('all messages', () => record.messages.length === 10)
      assert.ok(record.messages.every(({ qos, duplicate }) => qos === 1 && !duplicate))
      acknowledge(source, record.messages.slice(0, 6))
      const { source: next, record: again } = await succeed(source)
      await until('the rest', () => again.messages.length === 4)
      assert.deepEqual(again.texts, texts(6, 10))
      const isMarked = again.messages.every(({ duplicate }) => duplicate)
      assert.equal(isMarked, implementation.hidesDuplicates !== true)
      assert.equal(again.sessionsLost, 0)
      acknowledge(next, again.messages)
      const { record: last } = await succeed(next)
      await implementation.send(topic, 'end', 1)
      await until('the end', () => last.messages.length > 0)
      assert.deepEqual(last.texts, ['end'])
    })

    it('keeps what comes while the source is away', async () => {
      const topic = uniqueId('in/away')
      const { source } = await openSource(topic)
      await source.close()
      await send(topic, 0, 50)
      const { source: next, record } = await succeed(source)
      record.onMessage = (message) => {
        record.messages.push(message)
        acknowledge(next, [message])
      }
      acknowledge(next, record.messages)
      await until('all messages', () => record.messages.length === 50)
      assert.deepEqual(record.texts, texts(0, 50))
    })

    it('never has more than its window unacknowledged, and gets everything', async () => {
      const topic = uniqueId('in/window')
      const { source, record } = await openSource(topic, { window: 5 })
      void send(topic, 0, 60)
      let acknowledged = 0
      while (acknowledged < 60) {
        await until('a full window, or the end', () => {
          const { length } = record.messages
          return length === acknowledged + 5 || length === 60
        })
        assert.ok(record.messages.length - acknowledged <= 5)
        acknowledge(source, record.messages.slice(acknowledged, acknowledged + 3))
        acknowledged = Math.min(acknowledged + 3, 60)
      }
      assert.deepEqual(record.texts, texts(0, 60))
    })

    it('acknowledges after drain, up to the last one before close', async () => {
      const topic = uniqueId('in/drain')
      const { source, record } = await openSource(topic)
      await send(topic, 0, 4)
      await until('all messages', () => record.messages.length === 4)
      source.drain()
      acknowledge(source, record.messages)
      await source.close()
      acknowledge(source, record.messages)
      const { record: next } = await succeed(source)
      await implementation.send(topic, 'next', 1)
      await until('the next', () => next.messages.length > 0)
      assert.deepEqual(next.texts, ['next'])
    })

    it('publishes in order and settles each result once', async () => {
      const topic = uniqueId('out/order')
      const { sink, record } = await openSink()
      for (const text of texts(0, 1000)) {
        sink.publish({ topic, payload: Buffer.from(text) }, record.settled)
      }
      await until('all settled', () => record.outcomes.length === 1000)
      assert.equal(sink.pending, 0)
      assert.equal(sink.waitingSince, undefined)
      await until('all at the far side', () => implementation.seen(topic).length === 1000)
      assert.deepEqual(new Set(record.outcomes), new Set(['published']))
      assert.deepEqual(
        implementation.seen(topic).map(({ text }) => text),
        texts(0, 1000),
      )
    })

    it('gives back what is not settled, which is then not settled any more', async () => {
      const topic = uniqueId('out/withdraw')
      const { sink, record } = await openSink()
      for (const text of texts(0, 300)) {
        sink.publish({ topic, payload: Buffer.from(text) }, record.settled)
      }
      const settled = record.outcomes.length
      const withdrawn = sink.withdraw('all')
      assert.equal(withdrawn.length + settled, 300)
      assert.deepEqual(
        withdrawn.map(({ message }) => Buffer.from(message.payload).toString()),
        texts(settled, 300),
      )
      assert.equal(sink.pending, 0)
      // Whoever took them may publish them again.
      for (const { message } of withdrawn) sink.publish(message, record.settled)
      await sink.close(5000)
      assert.deepEqual(record.outcomes, Array(300).fill('published'))
    })

    it('waits for confirmations when it is closed', async () => {
      const topic = uniqueId('out/last')
      const { sink, record } = await openSink()
      for (const text of texts(0, 100)) {
        sink.publish({ topic, payload: Buffer.from(text) }, record.settled)
      }
      await sink.close(5000)
      sink.publish({ topic, payload: Buffer.from('late') }, record.settled)
      assert.deepEqual(record.outcomes, [...Array(100).fill('published'), 'closed'])
      await until('all at the far side', () => implementation.seen(topic).length === 100)
    })
  })
}

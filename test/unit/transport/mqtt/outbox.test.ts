import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { WhenFull } from '../../../../src/config/settings.ts'
import { Outbox, type OutboxEntry } from '../../../../src/transport/mqtt/outbox.ts'

/** Its sequence is that of its letter. */
const entry = (name: string, bytes = 1, deadlineAt = 0): OutboxEntry => ({
  message: { topic: name, payload: new Uint8Array(bytes) },
  settled: () => {},
  since: 0,
  sequence: name.charCodeAt(0),
  deadlineAt,
  mayHaveArrived: false,
})

const names = (entries: Iterable<OutboxEntry>): string[] =>
  [...entries].map(({ message }) => message.topic)

const outbox = (whenFull: WhenFull, itemsMax = 3, bytesMax = 100): Outbox =>
  new Outbox({ itemsMax, bytesMax, whenFull })

function drain(box: Outbox): string[] {
  return names(box.takeAll())
}

describe('Outbox', () => {
  it('gives out what it took in, oldest first', () => {
    const box = outbox('block')
    for (const name of ['a', 'b', 'c']) assert.deepEqual(box.push(entry(name)), [])
    assert.equal(box.length, 3)
    assert.equal(box.oldest?.message.topic, 'a')
    assert.equal(box.shift()?.message.topic, 'a')
    assert.deepEqual(drain(box), ['b', 'c'])
    assert.equal(box.shift(), undefined)
  })

  it('gives the new one back when it is full and not told to drop the oldest', () => {
    for (const whenFull of ['block', 'drop-newest'] as const) {
      const box = outbox(whenFull)
      for (const name of ['a', 'b', 'c']) box.push(entry(name))
      assert.deepEqual(names(box.push(entry('d'))), ['d'])
      assert.deepEqual(drain(box), ['a', 'b', 'c'])
    }
  })

  it('gives the oldest back, as many as it takes to make room', () => {
    const box = outbox('drop-oldest', 10)
    box.push(entry('a', 40))
    box.push(entry('b', 40))
    box.push(entry('c', 20))
    assert.deepEqual(names(box.push(entry('d', 50))), ['a', 'b'])
    assert.deepEqual(drain(box), ['c', 'd'])
  })

  it('counts bytes down again as results leave', () => {
    const box = outbox('block', 10)
    box.push(entry('a', 100))
    assert.deepEqual(names(box.push(entry('b', 1))), ['b'])
    box.shift()
    assert.deepEqual(box.push(entry('c', 100)), [])
  })

  it('lets a single result larger than all the room wait alone', () => {
    const box = outbox('block')
    assert.deepEqual(box.push(entry('huge', 1000)), [])
    assert.deepEqual(names(box.push(entry('b'))), ['b'])
  })

  it('takes results back to the front in their order, even above its bounds', () => {
    const box = outbox('block')
    for (const name of ['c', 'd', 'e']) box.push(entry(name))
    box.putBack([entry('a'), entry('b')])
    assert.deepEqual(names(box.push(entry('f'))), ['f'])
    assert.deepEqual(drain(box), ['a', 'b', 'c', 'd', 'e'])
  })

  it('takes results back to their place among those that came back before them', () => {
    const box = outbox('block')
    box.push(entry('e'))
    box.putBack([entry('b')])
    box.putBack([entry('a'), entry('c'), entry('d')])
    assert.deepEqual(drain(box), ['a', 'b', 'c', 'd', 'e'])
  })

  it('gives out those whose deadline has come', () => {
    const box = outbox('block')
    box.push(entry('a', 1, 10))
    box.push(entry('b', 1, 20))
    assert.deepEqual(names(box.expired(9)), [])
    assert.deepEqual(names(box.expired(10)), ['a'])
    assert.equal(box.length, 1)
  })
})

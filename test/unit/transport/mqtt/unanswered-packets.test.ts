import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UnansweredPackets } from '../../../../src/transport/mqtt/unanswered-packets.ts'

const nobody = (): void => assert.fail('told')

describe('UnansweredPackets', () => {
  it('gives each packet an identifier that no other has, from 1 on', () => {
    const packets = new UnansweredPackets()
    assert.equal(packets.addPublish(nobody), 1)
    assert.equal(packets.addRequest('subscribe', nobody), 2)
    assert.equal(packets.addPublish(nobody), 3)
    assert.equal(packets.publishes, 2)
  })

  it('begins again after 65,535, without those that are still out', () => {
    const packets = new UnansweredPackets()
    assert.equal(packets.addRequest('unsubscribe', nobody), 1)
    assert.equal(packets.addPublish(nobody), 2)
    for (let id = 3; id <= 65_535; id++) {
      assert.equal(packets.addPublish(nobody), id)
      packets.takePublish(id)
    }
    assert.equal(packets.addPublish(nobody), 3)
  })

  it('gives an answer to who waits for it, once, and to nobody else', () => {
    const packets = new UnansweredPackets()
    const done = (): void => {}
    const answered = (): void => {}
    packets.addPublish(done)
    packets.addRequest('subscribe', answered)
    assert.equal(packets.takePublish(2), undefined)
    assert.equal(packets.takeRequest('subscribe', 1), undefined)
    assert.equal(packets.takeRequest('unsubscribe', 2), undefined)
    assert.equal(packets.takePublish(1), done)
    assert.equal(packets.takePublish(1), undefined)
    assert.equal(packets.takeRequest('subscribe', 2), answered)
    assert.equal(packets.takeRequest('subscribe', 2), undefined)
    assert.equal(packets.publishes, 0)
  })

  it('fails when every identifier is in use', () => {
    const packets = new UnansweredPackets()
    for (let i = 0; i < 65_535; i++) packets.addPublish(nobody)
    assert.throws(() => packets.addPublish(nobody), /every packet identifier is in use/)
    packets.clear()
    assert.equal(packets.addPublish(nobody), 1)
  })
})

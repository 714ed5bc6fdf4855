import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TopicAliases } from '../../../../src/transport/mqtt/topic-aliases.ts'

describe('TopicAliases', () => {
  it('remembers the topic that came last with an alias', () => {
    const aliases = new TopicAliases(2)
    assert.equal(aliases.resolve(1, 'a'), 'a')
    assert.equal(aliases.resolve(2, 'b'), 'b')
    assert.equal(aliases.resolve(1, ''), 'a')
    assert.equal(aliases.resolve(1, 'c'), 'c')
    assert.equal(aliases.resolve(1, ''), 'c')
    assert.equal(aliases.resolve(2, ''), 'b')
  })

  it('refuses an alias of 0 or above the maximum, with the code for it', () => {
    const aliases = new TopicAliases(2)
    for (const alias of [0, 3, 65_535]) {
      assert.throws(() => aliases.resolve(alias, 'a'), { reasonCode: 0x94 })
    }
    assert.throws(() => new TopicAliases(0).resolve(1, 'a'), { reasonCode: 0x94 })
  })

  it('refuses an alias that was never given a topic', () => {
    assert.throws(() => new TopicAliases(2).resolve(2, ''), { reasonCode: 0x82 })
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Packet } from 'mqtt-packet'
import { limits } from '../../../../src/core/limits.ts'
import { incoming, outgoing, packetsIn, SessionBench } from '../../../support/session-bench.ts'

const versions = ['5', '3.1.1'] as const

for (const protocol of versions) {
  describe(`SessionMachine with MQTT ${protocol}`, () => {
    it('begins with a CONNECT that says who it is and what it wants', () => {
      const bench = new SessionBench(protocol, { keepAliveSeconds: 30, receiveMaximum: 17 })
      const [connect] = packetsIn(bench.output.bytes, protocol)
      assert.ok(connect?.cmd === 'connect')
      assert.equal(connect.clientId, 'bench')
      assert.equal(connect.clean, false)
      assert.equal(connect.keepalive, 30)
      assert.equal(connect.protocolVersion, protocol === '5' ? 5 : 4)
      if (protocol === '5') {
        const { sessionExpiryInterval, receiveMaximum } = connect.properties ?? {}
        assert.deepEqual([sessionExpiryInterval, receiveMaximum], [3600, 17])
      }
    })

    it('asks for a clean session when none is to be kept', () => {
      const bench = new SessionBench(protocol, { keptForSeconds: 0 })
      const [connect] = packetsIn(bench.output.bytes, protocol)
      assert.ok(connect?.cmd === 'connect' && connect.clean === true)
    })

    it('tells what the broker said in its CONNACK, also when that comes byte by byte', () => {
      const bench = new SessionBench(protocol)
      const sessionPresent = true
      const connack: Packet =
        protocol === '5'
          ? { cmd: 'connack', sessionPresent, reasonCode: 0 }
          : { cmd: 'connack', sessionPresent, returnCode: 0 }
      for (const byte of bench.encode(connack)) {
        assert.deepEqual(bench.calls, [])
        bench.machine.receive(Buffer.of(byte))
      }
      assert.deepEqual(bench.opened, [
        {
          sessionPresent: true,
          packetBytesMax: Number.POSITIVE_INFINITY,
          keptForSeconds: 3600,
          qosMax: 2,
          retainAvailable: true,
        },
      ])
    })

    it('ends as refused, with the code of the broker', () => {
      const bench = new SessionBench(protocol)
      bench.connack(protocol === '5' ? 135 : 5)
      assert.deepEqual(bench.ends, [{ kind: 'refused', code: protocol === '5' ? 135 : 5 }])
      assert.ok(bench.output.isDestroyed)
    })

    it('takes a session after a clean start for a broken rule', () => {
      const bench = new SessionBench(protocol, { keptForSeconds: 0 })
      bench.connack(0, {}, true)
      assert.match(bench.fault, /^CONNACK: .*present after a clean start/)
    })

    it('takes any other first packet for a broken rule', () => {
      const bench = new SessionBench(protocol)
      bench.broker({ cmd: 'pingresp' })
      assert.equal(bench.fault, 'PINGRESP: it must not come before CONNACK')
      assert.ok(bench.output.isDestroyed)
    })

    for (const packet of [
      { cmd: 'connack', sessionPresent: false, reasonCode: 0, returnCode: 0 },
      { cmd: 'connect', clientId: 'x', protocolVersion: 4 },
      { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] },
      { cmd: 'pingreq' },
      { cmd: protocol === '5' ? 'auth' : 'disconnect', reasonCode: 0 },
    ] satisfies Packet[]) {
      it(`takes a ${packet.cmd.toUpperCase()} from the broker for a broken rule`, () => {
        const bench = SessionBench.open(protocol)
        bench.broker(packet, incoming('after it'))
        assert.deepEqual(bench.calls, ['ended'])
        assert.equal(bench.ends[0]?.kind, 'protocol')
        const farewell = protocol === '5' ? ['disconnect'] : []
        assert.deepEqual(bench.sentNames(), farewell)
        assert.equal(bench.output.endedWithin, 1000)
      })
    }

    it('sends what was acknowledged before it leaves a broker that broke the rules', () => {
      const bench = SessionBench.open(protocol)
      bench.onMessage = () => bench.machine.acknowledge(3)
      bench.broker(incoming('a', { id: 3 }), { cmd: 'pingreq' })
      assert.deepEqual(
        bench.sentNames(),
        protocol === '5' ? ['puback 3', 'disconnect'] : ['puback 3'],
      )
    })

    it('passes messages on as they came, with a token for those that want an answer', () => {
      const bench = SessionBench.open(protocol)
      bench.broker(incoming('a'), { ...incoming('b', { id: 9, dup: true }), retain: true })
      const receivedAt = bench.clock.now()
      assert.deepEqual(bench.messages, [
        {
          topic: 'in',
          payload: Buffer.from('a'),
          qos: 0,
          retain: false,
          duplicate: false,
          receivedAt,
        },
        {
          topic: 'in',
          payload: Buffer.from('b'),
          qos: 1,
          retain: true,
          duplicate: true,
          receivedAt,
          ack: { epoch: 7, id: 9 },
        },
      ])
    })

    it('sends PUBACKs when it is told to, in that order, in one write per turn', () => {
      const bench = SessionBench.open(protocol)
      bench.broker(...[1, 2, 3].map((id) => incoming(String(id), { id })))
      assert.deepEqual(bench.sentNames(), [])
      for (const id of [2, 1, 3]) bench.machine.acknowledge(id)
      bench.output.turn()
      assert.equal(bench.output.writes.length, 1)
      assert.deepEqual(bench.sentNames(), ['puback 2', 'puback 1', 'puback 3'])
    })

    it('sends no PUBACK for what it did not receive, nor a second one', () => {
      const bench = SessionBench.open(protocol)
      bench.broker(incoming('a', { id: 1 }))
      for (const id of [1, 1, 2, 0, 70_000]) bench.machine.acknowledge(id)
      assert.deepEqual(bench.sentNames(), ['puback 1'])
    })

    it('passes on once what the broker sends again before the PUBACK', () => {
      const bench = SessionBench.open(protocol)
      bench.broker(incoming('a', { id: 1 }), incoming('a', { id: 1, dup: true }))
      assert.deepEqual(bench.texts, ['a'])
      bench.machine.acknowledge(1)
      assert.deepEqual(bench.sentNames(), ['puback 1'])
      bench.broker(incoming('b', { id: 1 }))
      assert.deepEqual(bench.texts, ['a', 'b'])
    })

    it('does not let a new message take the identifier of one that waits', () => {
      const bench = SessionBench.open(protocol)
      bench.broker(incoming('a', { id: 1 }), incoming('b', { id: 1 }))
      assert.match(bench.fault, /^PUBLISH: its packet id 1 belongs to a message/)
    })

    it('bears more messages than its receive maximum', () => {
      const bench = SessionBench.open(protocol, { receiveMaximum: 2 })
      bench.broker(...[1, 2, 3, 4, 5].map((id) => incoming(String(id), { id })))
      assert.equal(bench.messages.length, 5)
      assert.deepEqual(bench.ends, [])
    })

    it('serves what the broker kept with QoS 2 as well', () => {
      const bench = SessionBench.open(protocol)
      bench.broker(incoming('a', { id: 4, qos: 2 }))
      assert.deepEqual(bench.messages[0]?.ack, { epoch: 7, id: 4 })
      assert.deepEqual(bench.sentNames(), [])
      bench.machine.acknowledge(4)
      assert.deepEqual(bench.sentNames(), ['pubrec 4'])
      bench.broker({ cmd: 'pubrel', messageId: 4 })
      assert.deepEqual(bench.sentNames(), ['pubcomp 4'])
    })

    it('is not disturbed by answers of QoS 2 that nobody asked for', () => {
      const bench = SessionBench.open(protocol)
      bench.broker({ cmd: 'pubrec', messageId: 4 }, { cmd: 'pubcomp', messageId: 4 }, incoming('a'))
      assert.deepEqual(bench.texts, ['a'])
      assert.deepEqual(bench.sentNames(), [])
    })

    it('tells the bytes of a message that is too large, which can be acknowledged', () => {
      const bench = SessionBench.open(protocol)
      const large = {
        ...incoming('', { id: 5 }),
        payload: Buffer.alloc(limits.payloadBytesMax + 1),
      }
      bench.broker(large, incoming('after it'))
      assert.equal(bench.messages[0]?.payload.length, 0)
      assert.equal(bench.messages[0]?.oversizeBytes, limits.payloadBytesMax + 1)
      assert.equal(bench.texts[1], 'after it')
      bench.machine.acknowledge(5)
      assert.deepEqual(bench.sentNames(), ['puback 5'])
    })

    it('subscribes and unsubscribes, and gives the answers to who asked', () => {
      const bench = SessionBench.open(protocol)
      const answers: string[] = []
      const note = (name: string) => (code: number) => void answers.push(`${name} ${code}`)
      bench.machine.subscribe('a/#', { qos: 1, retained: 'all' }, note('a'))
      bench.machine.subscribe('b', { qos: 0, retained: 'none' }, note('b'))
      bench.machine.unsubscribe('c', note('c'))
      const [a, b, c] = bench.sent()
      assert.ok(a?.cmd === 'subscribe' && b?.cmd === 'subscribe' && c?.cmd === 'unsubscribe')
      assert.deepEqual([a.subscriptions[0]?.topic, a.subscriptions[0]?.qos], ['a/#', 1])
      assert.deepEqual(c.unsubscriptions, ['c'])
      bench.broker(
        { cmd: 'suback', messageId: b.messageId ?? 0, granted: [128] },
        // No UNSUBACK for a SUBSCRIBE, no answer to a question that was not asked.
        { cmd: 'unsuback', messageId: a.messageId ?? 0, granted: [0] },
        { cmd: 'suback', messageId: 999, granted: [0] },
        { cmd: 'unsuback', messageId: c.messageId ?? 0, granted: [0] },
        { cmd: 'suback', messageId: a.messageId ?? 0, granted: [1] },
        { cmd: 'suback', messageId: a.messageId ?? 0, granted: [1] },
      )
      assert.deepEqual(answers, ['b 128', 'c 0', 'a 1'])
      assert.deepEqual(bench.ends, [])
    })

    it('takes a SUBACK with two answers to one filter for a broken rule', () => {
      const bench = SessionBench.open(protocol)
      bench.machine.subscribe('a', { qos: 1, retained: 'all' }, () => assert.fail('answered'))
      bench.broker({ cmd: 'suback', messageId: 1, granted: [1, 1] })
      assert.match(bench.fault, /^SUBACK: it has 2 reason codes/)
    })

    it('publishes in order, with QoS 1 under identifiers of their own', () => {
      const bench = SessionBench.open(protocol)
      bench.machine.publish(outgoing('a'), () => {})
      bench.machine.publish(outgoing('b', { qos: 0 }), () => {})
      bench.machine.subscribe('s', { qos: 1, retained: 'all' }, () => {})
      bench.machine.publish(outgoing('c', { duplicate: true, retain: true }), () => {})
      const sent = bench.sent()
      assert.deepEqual(
        sent.map((packet) =>
          packet.cmd === 'publish'
            ? [packet.payload.toString(), packet.messageId, packet.qos, packet.dup, packet.retain]
            : [packet.cmd, packet.messageId],
        ),
        [
          ['a', 1, 1, false, false],
          ['b', undefined, 0, false, false],
          ['subscribe', 2],
          ['c', 3, 1, true, true],
        ],
      )
    })

    it('tells of QoS 0 when the bytes are taken, and of QoS 1 when PUBACK is there', () => {
      const bench = SessionBench.open(protocol)
      const done: string[] = []
      bench.machine.publish(outgoing('a'), (code) => done.push(`a ${code}`))
      bench.machine.publish(outgoing('b', { qos: 0 }), (code) => done.push(`b ${code}`))
      bench.output.turn()
      assert.deepEqual(done, [])
      bench.output.take()
      assert.deepEqual(done, ['b 0'])
      const reasonCode = protocol === '5' ? 0x97 : 0
      bench.broker({ cmd: 'puback', messageId: 1, reasonCode })
      assert.deepEqual(done, ['b 0', `a ${reasonCode}`])
    })

    it('is not disturbed by a PUBACK that it did not wait for, or no longer', () => {
      const bench = SessionBench.open(protocol)
      let done = 0
      bench.machine.subscribe('s', { qos: 1, retained: 'all' }, () => assert.fail('answered'))
      bench.machine.publish(outgoing('a'), () => (done += 1))
      bench.broker(...[1, 2, 2, 77].map((messageId): Packet => ({ cmd: 'puback', messageId })))
      assert.equal(done, 1)
      assert.deepEqual(bench.ends, [])
      assert.ok(bench.machine.hasRoom)
    })

    it('has room for 1,000 messages without a PUBACK, and tells once when it has again', () => {
      const bench = SessionBench.open(protocol)
      for (let i = 0; i < 1000; i++) {
        assert.ok(bench.machine.hasRoom)
        bench.machine.publish(outgoing(''), () => {})
      }
      assert.ok(!bench.machine.hasRoom)
      bench.output.settle()
      bench.output.take()
      assert.deepEqual(bench.calls, [])
      bench.broker(...[3, 7].map((messageId): Packet => ({ cmd: 'puback', messageId })))
      assert.ok(bench.machine.hasRoom)
      assert.deepEqual(bench.calls, ['room'])
    })

    it('has no room while more than 256 KiB wait for the socket', () => {
      const bench = SessionBench.open(protocol)
      bench.machine.publish(outgoing('x'.repeat(256 * 1024), { qos: 0 }), () => {})
      assert.ok(!bench.machine.hasRoom)
      bench.output.settle()
      assert.ok(!bench.machine.hasRoom)
      bench.output.take()
      assert.ok(bench.machine.hasRoom)
      assert.deepEqual(bench.calls, ['room'])
    })

    it('lets messages wait while it is paused, and goes on in order', () => {
      const bench = SessionBench.open(protocol)
      bench.onMessage = ({ payload }) => {
        if (payload[0] === 'b'.charCodeAt(0)) bench.machine.pause()
      }
      bench.broker(...['a', 'b', 'c', 'd'].map((text) => incoming(text)))
      bench.broker(incoming('e'))
      bench.output.settle()
      assert.deepEqual(bench.texts, ['a', 'b'])
      assert.ok(!bench.output.isReading)
      bench.onMessage = () => {}
      bench.machine.resume()
      // Never within a call of the owner's.
      assert.deepEqual(bench.texts, ['a', 'b'])
      bench.output.turn()
      assert.deepEqual(bench.texts, ['a', 'b', 'c', 'd', 'e'])
      assert.ok(bench.output.isReading)
    })

    it('hands on what is not a message while it is paused, up to the next message', () => {
      const bench = SessionBench.open(protocol)
      const answers: number[] = []
      bench.machine.subscribe('a', { qos: 1, retained: 'all' }, (code) => answers.push(code))
      bench.machine.publish(outgoing('x'), (code) => answers.push(code))
      bench.onMessage = () => bench.machine.pause()
      bench.broker(incoming('a'), { cmd: 'suback', messageId: 1, granted: [1] }, incoming('b'), {
        cmd: 'puback',
        messageId: 2,
      })
      bench.output.settle()
      assert.deepEqual(answers, [1])
      bench.machine.resume()
      bench.output.settle()
      assert.deepEqual(answers, [1, 0])
      assert.deepEqual(bench.texts, ['a', 'b'])
    })

    it('opens although it was paused before', () => {
      const bench = new SessionBench(protocol)
      bench.machine.pause()
      bench.connack()
      assert.deepEqual(bench.calls, ['opened'])
    })

    it('does not take a huge chunk in one turn, nor more from the transport meanwhile', () => {
      const bench = SessionBench.open(protocol)
      const many = Array.from({ length: 2500 }, (_, i) => incoming(String(i)))
      bench.broker(...many)
      assert.equal(bench.messages.length, 1000)
      bench.broker(incoming('last'))
      assert.equal(bench.messages.length, 1000)
      assert.ok(!bench.output.isReading)
      bench.output.turn()
      assert.equal(bench.messages.length, 2000)
      bench.output.settle()
      assert.equal(bench.messages.length, 2501)
      assert.equal(bench.texts.at(-1), 'last')
      assert.ok(bench.output.isReading)
    })

    it('stops reading a broker that does not take its acknowledgements', () => {
      const bench = SessionBench.open(protocol)
      bench.onMessage = ({ ack }) => bench.machine.acknowledge(ack?.id ?? 0)
      let sent = 0
      for (; sent < 80_000 && bench.output.isReading; sent += 100) {
        const ids = Array.from({ length: 100 }, (_, i) => ((sent + i) % 65_535) + 1)
        bench.broker(...ids.map((id) => incoming('', { id })))
        bench.output.settle()
      }
      assert.ok(!bench.output.isReading, `${sent} messages`)
      assert.ok(bench.messages.length <= 65_536)
      bench.output.take()
      bench.output.settle()
      assert.equal(bench.messages.length, sent)
      assert.ok(bench.output.isReading)
    })

    it('ends with what the socket said, once and last', () => {
      const bench = SessionBench.open(protocol)
      const error = new Error('reset')
      bench.machine.publish(outgoing('a', { qos: 0 }), () => assert.fail('done'))
      bench.machine.transportEnded(error)
      bench.machine.transportEnded()
      bench.machine.receive(bench.encode(incoming('a')))
      bench.output.settle()
      bench.output.take()
      bench.machine.resume()
      bench.machine.publish(outgoing('b'), () => assert.fail('done'))
      bench.machine.acknowledge(1)
      assert.deepEqual(bench.ends, [{ kind: 'socket', error }])
      assert.deepEqual(bench.calls, ['ended'])
      assert.deepEqual(bench.sent(), [])
    })

    it('tells nothing after destroy', () => {
      const bench = SessionBench.open(protocol)
      bench.onMessage = () => bench.machine.destroy()
      bench.broker(incoming('a'), incoming('b'))
      bench.machine.transportEnded(new Error('reset'))
      bench.clock.advance(1e9)
      assert.deepEqual(bench.calls, ['message'])
      assert.ok(bench.output.isDestroyed)
      assert.equal(bench.clock.timers, 0)
    })

    it('sends what it has and DISCONNECT, and tells nothing any more', async () => {
      const bench = SessionBench.open(protocol, { keepAliveSeconds: 10 })
      bench.broker(incoming('a', { id: 1 }))
      bench.machine.acknowledge(1)
      bench.machine.publish(outgoing('x'), () => assert.fail('done'))
      const ending = bench.machine.disconnect(1234)
      assert.equal(bench.output.endedWithin, 1234)
      assert.deepEqual(bench.sentNames(), ['puback 1', 'publish 1', 'disconnect'])
      bench.broker({ cmd: 'puback', messageId: 1 }, incoming('b'))
      bench.machine.transportEnded()
      await ending
      await bench.machine.disconnect(1)
      assert.deepEqual(bench.calls, ['message'])
      assert.equal(bench.clock.timers, 0)
    })

    it('closes at once when it is disconnected before CONNACK', async () => {
      const bench = new SessionBench(protocol)
      await bench.machine.disconnect(1000)
      assert.ok(bench.output.isDestroyed)
      assert.equal(bench.output.endedWithin, undefined)
    })

    it('says why when what comes is not MQTT', () => {
      const bench = SessionBench.open(protocol)
      bench.machine.receive(Buffer.from('HTTP/1.1 400 Bad Request\r\n'))
      assert.equal(bench.ends[0]?.kind, 'protocol')
      const [farewell] = bench.sent()
      if (protocol === '3.1.1') assert.equal(farewell, undefined)
      else assert.ok(farewell?.cmd === 'disconnect' && (farewell.reasonCode ?? 0) >= 0x81)
    })
  })
}

describe('SessionMachine with what only MQTT 5 has', () => {
  it('keeps to the limits of the CONNACK', () => {
    const bench = new SessionBench('5')
    bench.connack(0, {
      receiveMaximum: 2,
      maximumPacketSize: 1000,
      sessionExpiryInterval: 60,
      maximumQoS: 1,
      retainAvailable: false,
      assignedClientIdentifier: 'another',
    })
    assert.deepEqual(bench.opened, [
      {
        sessionPresent: false,
        packetBytesMax: 1000,
        keptForSeconds: 60,
        qosMax: 1,
        retainAvailable: false,
      },
    ])
    bench.machine.publish(outgoing('a'), () => {})
    assert.ok(bench.machine.hasRoom)
    bench.machine.publish(outgoing('b'), () => {})
    assert.ok(!bench.machine.hasRoom)
  })

  for (const [name, properties] of [
    ['receive maximum', { receiveMaximum: 0 }],
    ['maximum packet size', { maximumPacketSize: 0 }],
  ] as const) {
    it(`refuses a broker with a ${name} of 0`, () => {
      const bench = new SessionBench('5')
      bench.connack(0, properties)
      assert.match(bench.fault, /^CONNACK: .*a value that is not allowed/)
    })
  }

  it('ends with the reason of a DISCONNECT, also one that nobody knows', () => {
    for (const code of [0x8e, 0xef]) {
      const bench = SessionBench.open('5')
      bench.machine.receive(Buffer.from([0xe0, 1, code]))
      assert.deepEqual(bench.ends, [{ kind: 'disconnected', code }])
      assert.ok(bench.output.isDestroyed)
    }
  })

  it('finds the DISCONNECT behind messages that wait when the connection ends', () => {
    const bench = SessionBench.open('5')
    bench.machine.pause()
    bench.broker(incoming('a', { id: 1 }), incoming('b'), { cmd: 'disconnect', reasonCode: 0x8e })
    bench.machine.transportEnded(new Error('reset'))
    assert.deepEqual(bench.ends, [{ kind: 'disconnected', code: 0x8e }])
    assert.deepEqual(bench.messages, [])
  })

  it('knows the topic behind an alias', () => {
    const bench = SessionBench.open('5')
    const named = { ...incoming('a'), properties: { topicAlias: 64 } }
    bench.broker(named, { ...named, topic: '', payload: 'b' }, { ...named, topic: 'other' })
    bench.broker({ ...named, topic: '' })
    assert.deepEqual(
      bench.messages.map(({ topic }) => topic),
      ['in', 'in', 'other', 'other'],
    )
  })

  for (const [alias, topic, code] of [
    [65, 'in', 0x94],
    [3, '', 0x82],
  ] as const) {
    it(`answers topic alias ${alias} with "${topic}" by DISCONNECT 0x${code.toString(16)}`, () => {
      const bench = SessionBench.open('5')
      bench.broker({ ...incoming('a'), topic, properties: { topicAlias: alias } })
      assert.match(bench.fault, /^PUBLISH: its topic alias/)
      const [farewell] = bench.sent()
      assert.ok(farewell?.cmd === 'disconnect')
      assert.equal(farewell.reasonCode, code)
    })
  }

  it('passes user properties on in both directions', () => {
    const bench = SessionBench.open('5')
    bench.broker({ ...incoming('a'), properties: { userProperties: { a: ['1', '2'], b: '3' } } })
    assert.deepEqual({ ...bench.messages[0]?.userProperties }, { a: ['1', '2'], b: '3' })
    bench.machine.publish(outgoing('x', { userProperties: { rule: 'r' } }), () => {})
    const [publish] = bench.sent()
    assert.ok(publish?.cmd === 'publish')
    assert.deepEqual({ ...publish.properties?.userProperties }, { rule: 'r' })
  })
})

describe('keep-alive of SessionMachine', () => {
  it('gives up a broker that answers nothing for one and a half intervals', () => {
    const bench = SessionBench.open('3.1.1', { keepAliveSeconds: 10 })
    bench.clock.advance(10_000)
    assert.deepEqual(bench.sentNames(), ['pingreq'])
    bench.clock.advance(4_999)
    bench.output.settle()
    assert.deepEqual(bench.ends, [])
    bench.clock.advance(1)
    bench.output.settle()
    assert.deepEqual(bench.ends, [{ kind: 'silent' }])
  })

  it('goes by what the broker asks for, and not at all with 0', () => {
    const quick = new SessionBench('5', { keepAliveSeconds: 100 })
    quick.connack(0, { serverKeepAlive: 5 })
    quick.sent()
    quick.clock.advance(5_000)
    assert.deepEqual(quick.sentNames(), ['pingreq'])
    const off = SessionBench.open('5', { keepAliveSeconds: 0 })
    assert.equal(off.clock.timers, 0)
  })

  it('is heard but does not hold silence against the broker while it does not read', () => {
    const bench = SessionBench.open('5', { keepAliveSeconds: 10 })
    bench.machine.pause()
    bench.broker(incoming('a'))
    bench.broker(incoming('b'))
    assert.ok(!bench.output.isReading)
    for (let i = 0; i < 5; i++) {
      bench.clock.advance(10_000)
      assert.deepEqual(bench.sentNames(), ['pingreq'])
    }
    bench.machine.resume()
    bench.output.settle()
    bench.clock.advance(14_999)
    bench.output.settle()
    assert.deepEqual(bench.ends, [])
    bench.clock.advance(1)
    bench.output.settle()
    assert.deepEqual(bench.ends, [{ kind: 'silent' }])
  })
})

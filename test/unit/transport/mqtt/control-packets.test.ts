import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { IConnectPacket, Packet } from 'mqtt-packet'
import {
  type ConnectSettings,
  encodeConnect,
  encodeDisconnect,
  encodeSubscribe,
  encodeUnsubscribe,
  pingreqPacket,
} from '../../../../src/transport/mqtt/control-packets.ts'
import type { MqttProtocol } from '../../../../src/transport/mqtt/mqtt-session.ts'
import { parsePackets, protocols } from '../../../support/packet-streams.ts'

const settings = (overrides: Partial<ConnectSettings> = {}): ConnectSettings => ({
  protocol: '5',
  clientId: 'edge-1',
  clean: false,
  keepAliveSeconds: 60,
  sessionExpirySeconds: 3600,
  receiveMaximum: 100,
  topicAliasMaximum: 10,
  ...overrides,
})

function parse(bytes: Buffer, protocol: MqttProtocol = '5'): Packet {
  const packets = parsePackets(bytes, protocol)
  assert.equal(packets.length, 1)
  return packets[0] as Packet
}

function parseConnect(overrides: Partial<ConnectSettings>): IConnectPacket {
  return parse(encodeConnect(settings(overrides))) as IConnectPacket
}

/** Parts of a packet, apart to be readable. */
const hex = (...parts: readonly string[]): string => parts.join('')

/** The longest string that MQTT can express, in characters of three bytes. */
const longest = '泵'.repeat(21_845)

describe('a CONNECT packet', () => {
  it('is these bytes on 3.1.1', () => {
    const bytes = encodeConnect(settings({ protocol: '3.1.1', clientId: 'a', clean: true }))
    assert.equal(bytes.toString('hex'), hex('100d', '00044d515454', '04', '02', '003c', '000161'))
  })

  it('has session expiry, receive maximum and topic alias maximum on MQTT 5, and no packet size', () => {
    const packet = parseConnect({})
    assert.deepEqual(packet.properties, {
      sessionExpiryInterval: 3600,
      receiveMaximum: 100,
      topicAliasMaximum: 10,
    })
  })

  it('takes the largest numbers', () => {
    const packet = parseConnect({
      keepAliveSeconds: 65_535,
      sessionExpirySeconds: 0xffff_ffff,
      receiveMaximum: 65_535,
      topicAliasMaximum: 65_535,
    })
    assert.equal(packet.keepalive, 65_535)
    assert.deepEqual(packet.properties, {
      sessionExpiryInterval: 0xffff_ffff,
      receiveMaximum: 65_535,
      topicAliasMaximum: 65_535,
    })
  })

  for (const protocol of protocols) {
    it(`has client id, keep-alive and clean start on MQTT ${protocol}`, () => {
      for (const clean of [true, false]) {
        const packet = parseConnect({ protocol, clean })
        assert.equal(packet.protocolVersion, protocol === '5' ? 5 : 4)
        assert.equal(packet.protocolId, 'MQTT')
        assert.equal(packet.clientId, 'edge-1')
        assert.equal(packet.keepalive, 60)
        assert.equal(packet.clean, clean)
        assert.ok(!('username' in packet) && !('password' in packet) && !('will' in packet))
      }
    })

    it(`has user name and password on MQTT ${protocol}`, () => {
      const packet = parseConnect({ protocol, username: '操作员', password: 'ge:heim é' })
      assert.equal(packet.username, '操作员')
      assert.equal(String(packet.password), 'ge:heim é')
    })

    it(`has an empty user name before a password alone on MQTT ${protocol}`, () => {
      const packet = parseConnect({ protocol, password: 'geheim' })
      assert.equal(packet.username, '')
      assert.equal(String(packet.password), 'geheim')
    })

    it(`has a user name without a password on MQTT ${protocol}`, () => {
      const packet = parseConnect({ protocol, username: 'operator' })
      assert.equal(packet.username, 'operator')
      assert.ok(!('password' in packet))
    })

    it(`has a last will on MQTT ${protocol}`, () => {
      for (const qos of [0, 1, 2] as const) {
        for (const payload of ['再见', '']) {
          const packet = parseConnect({
            protocol,
            will: { topic: 'will/泵', payload, qos, retain: qos === 1 },
          })
          assert.equal(packet.will?.topic, 'will/泵')
          assert.equal(String(packet.will.payload), payload)
          assert.equal(packet.will.qos, qos)
          assert.equal(packet.will.retain, qos === 1)
        }
      }
    })

    it(`takes strings of 65,535 bytes everywhere on MQTT ${protocol}`, () => {
      const packet = parseConnect({
        protocol,
        clientId: longest,
        username: longest,
        password: longest,
        will: { topic: longest, payload: longest, qos: 0, retain: false },
      })
      assert.equal(packet.clientId, longest)
      assert.equal(packet.username, longest)
      assert.equal(String(packet.password), longest)
      assert.equal(packet.will?.topic, longest)
      assert.equal(String(packet.will.payload), longest)
    })

    it(`is not made of a string that is too long, on MQTT ${protocol}`, () => {
      for (const field of ['clientId', 'username', 'password'] as const) {
        assert.throws(() => encodeConnect(settings({ protocol, [field]: `${longest}x` })))
      }
    })
  }
})

describe('a SUBSCRIBE packet', () => {
  it('has QoS and, on MQTT 5, what to do with retained messages', () => {
    for (const [retained, rh] of [
      ['all', 0],
      ['new', 1],
      ['none', 2],
    ] as const) {
      for (const qos of [0, 1] as const) {
        const packet = parse(encodeSubscribe('5', 65_535, '$share/g/泵/#', { qos, retained }))
        const subscription = { topic: '$share/g/泵/#', qos, nl: false, rap: false, rh }
        assert.partialDeepStrictEqual(packet, {
          cmd: 'subscribe',
          messageId: 65_535,
          subscriptions: [subscription],
        })
      }
    }
  })

  it('has nothing but QoS on 3.1.1', () => {
    const bytes = encodeSubscribe('3.1.1', 1, 'a', { qos: 1, retained: 'none' })
    assert.equal(bytes.toString('hex'), hex('8206', '0001', '000161', '01'))
  })

  it('takes a filter of 65,535 bytes, and none that is longer', () => {
    for (const protocol of protocols) {
      const options = { qos: 1, retained: 'all' } as const
      const packet = parse(encodeSubscribe(protocol, 1, longest, options), protocol)
      assert.partialDeepStrictEqual(packet, { subscriptions: [{ topic: longest }] })
      assert.throws(() => encodeSubscribe(protocol, 1, `${longest}x`, options))
    }
  })
})

describe('an UNSUBSCRIBE packet', () => {
  for (const protocol of protocols) {
    it(`has id and filter on MQTT ${protocol}`, () => {
      for (const filter of ['a/+/泵/#', longest]) {
        const packet = parse(encodeUnsubscribe(protocol, 256, filter), protocol)
        const expected = { cmd: 'unsubscribe', messageId: 256, unsubscriptions: [filter] }
        assert.partialDeepStrictEqual(packet, expected)
      }
      assert.throws(() => encodeUnsubscribe(protocol, 1, `${longest}x`))
    })
  }
})

describe('a DISCONNECT packet', () => {
  it('has a reason code on MQTT 5', () => {
    assert.equal(encodeDisconnect('5').toString('hex'), 'e0020000')
    assert.equal(encodeDisconnect('5', 0x81).toString('hex'), 'e0028100')
  })

  it('is two bytes on 3.1.1, whatever the reason', () => {
    assert.equal(encodeDisconnect('3.1.1').toString('hex'), 'e000')
    assert.equal(encodeDisconnect('3.1.1', 0x81).toString('hex'), 'e000')
  })
})

describe('a PINGREQ packet', () => {
  it('is two bytes', () => {
    assert.equal(pingreqPacket.toString('hex'), 'c000')
  })
})

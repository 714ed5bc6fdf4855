import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseBrokerAddress } from '../../../../src/transport/mqtt/broker-address.ts'

describe('parseBrokerAddress', () => {
  for (const [url, text, host, port, secure] of [
    ['mqtt://broker', 'mqtt://broker:1883', 'broker', 1883, false],
    ['tcp://10.0.0.5:1884', 'tcp://10.0.0.5:1884', '10.0.0.5', 1884, false],
    ['mqtts://broker', 'mqtts://broker:8883', 'broker', 8883, true],
    ['ssl://broker:1', 'ssl://broker:1', 'broker', 1, true],
    ['ws://broker', 'ws://broker:80/mqtt', 'broker', 80, false],
    ['wss://broker/', 'wss://broker:443/mqtt', 'broker', 443, true],
    ['wss://broker:9001/ws', 'wss://broker:9001/ws', 'broker', 9001, true],
    ['mqtt://[::1]:1883', 'mqtt://[::1]:1883', '::1', 1883, false],
  ] as const) {
    it(`reads ${url}`, () => {
      const address = parseBrokerAddress(url)
      assert.deepEqual(
        [address.text, address.host, address.port, address.secure],
        [text, host, port, secure],
      )
    })
  }

  it('keeps a query for the WebSocket, but shows neither it nor credentials', () => {
    const address = parseBrokerAddress('wss://me:geheim@broker/mqtt?token=geheim')
    assert.equal(address.path, '/mqtt?token=geheim')
    assert.equal(address.text, 'wss://broker:443/mqtt')
  })

  it('refuses what is no broker address, without repeating it', () => {
    for (const url of ['http://geheim', 'geheim', 'mqtt://', 'embedded://geheim']) {
      assert.throws(
        () => parseBrokerAddress(url),
        (error: Error) => !error.message.includes('geheim'),
      )
    }
  })
})

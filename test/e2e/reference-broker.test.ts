/** `deploy/mosquitto/mosquitto.conf`: that Mosquitto takes it, and that it keeps what it says. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { PersistentCollector } from '../support/persistent-collector.ts'

/** Publishes while the only subscriber is away, which then comes back for all of it. */
async function isKeptOver(
  count: number,
  between: (broker: Mosquitto) => Promise<void>,
): Promise<void> {
  const broker = await Mosquitto.startAsReference()
  try {
    const url = `mqtt://127.0.0.1:${broker.port}`
    const subscriber = { clientId: 'absent', filter: 'in/#' }
    await (await PersistentCollector.open(url, subscriber)).close()
    const peer = await MqttPeer.connect(url)
    const all = Array.from({ length: count }, (_, n) => peer.publish('in/a', `${n}`, { qos: 1 }))
    await Promise.all(all)
    await peer.end()
    await between(broker)
    const seen: number[] = []
    const message = (payload: Buffer): void => void seen.push(Number(payload))
    const back = await PersistentCollector.open(url, { ...subscriber, message })
    await back.receives(count)
    await back.close()
    assert.deepEqual(seen, [...Array(count).keys()])
  } finally {
    await broker.stop()
  }
}

describe('Mosquitto with the reference configuration', { skip: needsMosquitto }, () => {
  test('keeps more for an absent subscriber than the 1,000 messages of stock', async () => {
    await isKeptOver(1500, () => Promise.resolve())
  })

  test('keeps all of it over an orderly restart', async () => {
    const restart = async (broker: Mosquitto): Promise<void> => {
      await broker.halt('SIGTERM')
      await broker.resume()
    }
    await isKeptOver(100, restart)
  })

  test('keeps what it has saved when it is killed, and saves every few seconds', async () => {
    const kill = async (broker: Mosquitto): Promise<void> => {
      await broker.saved()
      await broker.halt('SIGKILL')
      await broker.resume()
    }
    await isKeptOver(100, kill)
  })
})

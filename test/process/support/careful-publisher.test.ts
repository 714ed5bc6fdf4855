/** What the kill test measures with must lose nothing of itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CarefulPublisher } from '../../support/careful-publisher.ts'
import { DeliveryLedger } from '../../support/delivery-ledger.ts'
import { Mosquitto, needsMosquitto, savingMs } from '../../support/mosquitto.ts'
import { PersistentCollector } from '../../support/persistent-collector.ts'
import { until } from '../../support/wait.ts'

const messagesMax = 2_000

test(
  'nothing is lost between publisher and collector when the broker is killed',
  {
    skip: needsMosquitto,
  },
  async () => {
    const broker = await Mosquitto.startAsReference()
    const url = `mqtt://127.0.0.1:${broker.port}`
    const ledger = new DeliveryLedger()
    const collector = await PersistentCollector.open(url, {
      clientId: 'collector',
      filter: 'in/#',
      message: (payload) => ledger.collected('pump', Number(payload), Date.now()),
    })
    await broker.saved()
    const messages = Array.from({ length: messagesMax }, (_, seq) => {
      return { topic: 'in/pump', payload: `${seq}`, dueMs: seq }
    })
    const publisher = new CarefulPublisher(url, messages, (seq) => ledger.published('pump', seq))
    const publishing = publisher.run()
    for (const share of [0.3, 0.9]) {
      const reached = `${share} of the messages`
      await until(reached, () => ledger.delivered >= share * messagesMax)
      await broker.halt('SIGKILL')
      const savedAt = (await broker.savedAt()) - savingMs
      publisher.brokerForgot(savedAt)
      ledger.brokerForgot(savedAt, Date.now())
      await broker.resume()
    }
    await until('every message', () => publisher.isDone && ledger.delivered === messagesMax)
    publisher.close()
    await publishing
    await collector.close()
    await broker.stop()
    const { lost, disordered, unknown, duplicates } = ledger.summary()
    assert.deepEqual({ lost, disordered, unknown }, { lost: 0, disordered: [], unknown: [] })
    assert.deepEqual([duplicates.byBroker, duplicates.byEdgeboot], [0, 0])
    assert.ok(duplicates.byPublisher > 0)
  },
)

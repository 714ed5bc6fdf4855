import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { demoMessage } from '../../../src/cli/demo-telemetry.ts'

test('messages of the demo have the shape of the sample messages', () => {
  const file = new URL('../../fixtures/messages/theshld.json', import.meta.url)
  const sample = JSON.parse(readFileSync(file, 'utf8')) as Record<string, object>
  const message = JSON.parse(demoMessage(2, 1_700_000_000_000).payload) as Record<string, object>
  for (const part of ['deviceInfo', 'telemetry', 'model_data']) {
    assert.deepEqual(Object.keys(message[part] ?? {}), Object.keys(sample[part] ?? {}))
  }
})

test('devices take turns, each on a topic of its own', () => {
  const topics = [0, 1, 2, 3, 4].map((serial) => demoMessage(serial, 0).topic)
  assert.equal(new Set(topics).size, 4)
  assert.equal(topics[0], topics[4])
})

test('temperatures pass the limit of the demo now and then, and not always', () => {
  const above = Array.from({ length: 2000 }, (_, serial) => {
    const { telemetry } = JSON.parse(demoMessage(serial, 0).payload) as {
      telemetry: { OPC温度: number }
    }
    return telemetry.OPC温度 > 80
  })
  const share = above.filter(Boolean).length / above.length
  assert.ok(share > 0.05 && share < 0.5, `${share} of all`)
})

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { MemorySink } from '../../../../src/transport/memory-sink.ts'
import { SpoolingSink } from '../../../../src/transport/spool/spooling-sink.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { RecordedLog } from '../../../support/recorded-log.ts'
import { Scratch } from '../../../support/scratch.ts'

test('spools to the file of its settings, and forwards it after a restart', async () => {
  await using scratch = await Scratch.make()
  const settings = {
    file: scratch.path('state', 'spool.db'),
    bytesMax: 1_000_000,
    whenFull: 'block',
  } as const
  const clock = new FakeClock()
  const make = (inner: MemorySink) =>
    new SpoolingSink({
      inner,
      settings,
      clock,
      log: new RecordedLog().logger,
      timeoutMs: 30_000,
      itemsMax: 1000,
    })
  const recovered: number[] = []
  const listener = {
    state: () => {},
    recovered: (results: number) => void recovered.push(results),
    forwarded: () => {},
    discarded: () => assert.fail('something was discarded'),
  }
  const away = new MemorySink(clock)
  away.hold()
  away.failOnStart('the broker is away')
  const first = make(away)
  await first.start(listener)
  assert.ok(!existsSync(settings.file))
  const outcomes: string[] = []
  for (let number = 0; number < 600; number++) {
    const message = { topic: 't', payload: Buffer.from(String(number)) }
    first.publish(message, (outcome) => void outcomes.push(outcome))
    clock.advance(5)
  }
  await first.close(1000)
  assert.deepEqual(outcomes, Array<string>(600).fill('spooled'))
  const back = new MemorySink(clock)
  const second = make(back)
  await second.start(listener)
  assert.deepEqual(recovered, [600])
  clock.advance(1000)
  assert.deepEqual(
    back.published.map(({ payload }) => Number(Buffer.from(payload).toString())),
    Array.from({ length: 600 }, (_, i) => i),
  )
  assert.equal(second.spooled, 0)
  await second.close(0)
})

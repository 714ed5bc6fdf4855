/**
 * A whole pipeline with QoS 1 and a spool between two scripted brokers: what is acknowledged when
 * results go to the disk, and that the counts are right, whatever becomes of the disk.
 */
import assert from 'node:assert/strict'
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { DeliveryBench, type DeliveryOptions } from '../support/delivery-bench.ts'
import type { Scratch } from '../support/scratch.ts'
import { until } from '../support/wait.ts'

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe('a pipeline with QoS 1 and a spool', () => {
  const spool = (folder: string, bytesMax = 1_000_000): NonNullable<DeliveryOptions['sink']> => {
    return (scratch: Scratch) => {
      const file = `${folder === '' ? scratch.path('spool') : folder}/results.sqlite`
      return { timeoutMs: 200, spool: { file, bytesMax, whenFull: 'block' } }
    }
  }
  const start = (context: TestContext, sink = spool('')): Promise<DeliveryBench> =>
    DeliveryBench.start(context, '5', { sink })

  /** Ten results on the disk, and the pipeline stopped. */
  async function startSpooled(t: TestContext): Promise<DeliveryBench> {
    const bench = await start(t)
    bench.output.isMute = true
    bench.input.send(numbers(1, 10))
    await bench.acknowledged(10)
    await bench.pipeline.stop(0)
    const { spooled, received, published } = bench.stats
    assert.deepEqual([received, spooled, published, bench.dropped], [10, 10, 0, {}])
    bench.output.results.length = 0
    bench.output.isMute = false
    bench.output.confirms = true
    return bench
  }

  it('acknowledges what is on the disk, and forwards it in order when the broker answers', async (t) => {
    const bench = await start(t)
    bench.output.isMute = true
    bench.input.send(numbers(1, 10))
    assert.deepEqual(await bench.acknowledged(10), numbers(1, 10))
    const { spooled, published, inMotion } = bench.stats
    assert.deepEqual([spooled, published, inMotion], [10, 0, 0])
    bench.output.isMute = false
    bench.output.confirms = true
    bench.output.results.length = 0
    bench.output.cut()
    await until('all to be forwarded', () => bench.stats.published === 10)
    assert.deepEqual(bench.numbers, numbers(1, 10))
    bench.input.send([11])
    assert.deepEqual((await bench.acknowledged(11)).at(-1), 11)
    assert.equal((await bench.settled()).spooled, 0)
  })

  it('forwards after a restart what an earlier run left, before anything new', async (t) => {
    const bench = await startSpooled(t)
    await bench.startAgain()
    bench.input.send([11])
    await bench.acknowledged(11)
    const { recovered, received, published } = await bench.settled()
    assert.deepEqual([recovered, received, published], [10, 1, 11])
    assert.deepEqual([bench.numbers, bench.dropped], [numbers(1, 11), {}])
  })

  it('loses one result to a flipped bit, counts it, and forwards the others', async (t) => {
    const bench = await startSpooled(t)
    const file = bench.scratch.path('spool/results.sqlite')
    const bytes = readFileSync(file)
    const at = bytes.indexOf('{"n":5}')
    assert.ok(at > 0)
    bytes[at + 5] = (bytes[at + 5] ?? 0) ^ 1
    writeFileSync(file, bytes)
    await bench.startAgain()
    const { recovered, published } = await until('its end', () =>
      bench.stats.spooled === 0 ? bench.stats : undefined,
    )
    assert.deepEqual([recovered, published, bench.dropped], [10, 9, { 'spool-damaged': 1 }])
    assert.deepEqual(bench.numbers, [...numbers(1, 4), ...numbers(6, 10)])
    assert.equal(bench.log.of('spool.record-damaged').length, 1)
  })

  it('forwards what is left of a spool that was cut short, and counts what is not', async (t) => {
    const bench = await startSpooled(t)
    const file = bench.scratch.path('spool/results.sqlite')
    truncateSync(file, statSync(file).size - 100)
    await bench.startAgain()
    const { recovered, published } = await until('its end', () =>
      bench.stats.spooled === 0 ? bench.stats : undefined,
    )
    assert.equal(recovered, published + (bench.dropped['spool-damaged'] ?? 0))
    assert.ok(published > 0)
    assert.deepEqual(
      bench.numbers,
      numbers(1, 10).filter((n) => bench.numbers.includes(n)),
    )
    assert.equal(bench.log.of('spool.damaged').length, 1)
    bench.input.send([11])
    await bench.acknowledged(11)
  })

  it('acknowledges nothing and drops nothing where the folder cannot be written', async (t) => {
    const bench = await start(t, spool('/dev/null'))
    bench.output.isMute = true
    bench.output.cut()
    await until('the loss', () => bench.pipeline.health.state !== 'READY')
    bench.input.send(numbers(1, 5))
    await until('the trouble', () => bench.log.of('spool.unavailable').length > 0)
    assert.equal(bench.log.of('spool.unavailable')[0]?.['code'], 'SPOOL_UNWRITABLE')
    await bench.input.roundTrip()
    assert.deepEqual([bench.input.acknowledged, bench.stats.unacknowledged], [[], 5])
    bench.output.isMute = false
    bench.output.confirms = true
    bench.output.cut()
    assert.deepEqual(await bench.acknowledged(5), numbers(1, 5))
    const { published, spooled } = await bench.settled()
    assert.deepEqual([published, spooled, bench.dropped], [5, 0, {}])
    assert.deepEqual(bench.numbers, numbers(1, 5))
  })

  it('acknowledges no more than the disk holds, and all of it once the broker is back', async (t) => {
    const bench = await start(t, spool('', 2000))
    bench.output.isMute = true
    bench.output.cut()
    await until('the loss', () => bench.pipeline.health.state !== 'READY')
    bench.input.send(numbers(1, 100))
    await until('a full spool', () => /holds the 2000 bytes/.test(bench.pipeline.health.reason))
    await bench.input.roundTrip()
    const { spooled, unacknowledged } = bench.stats
    assert.equal(spooled + unacknowledged, 100)
    assert.equal(bench.input.acknowledged.length, spooled)
    bench.output.isMute = false
    bench.output.confirms = true
    bench.output.cut()
    assert.deepEqual(await bench.acknowledged(100), numbers(1, 100))
    const { published } = await until('the end', () =>
      bench.stats.published === 100 ? bench.stats : undefined,
    )
    assert.deepEqual([published, bench.numbers, bench.dropped], [100, numbers(1, 100), {}])
  })
})

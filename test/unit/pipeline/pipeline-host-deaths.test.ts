/** What a pipeline knows of the hosts before it, and what it leaves for the one after. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { EdgebootError } from '../../../src/core/errors.ts'
import { MemorySource } from '../../../src/transport/memory-source.ts'
import { echo } from '../../support/fake-runner.ts'
import { MemoryRecorder } from '../../support/memory-recorder.ts'
import { event, PipelineBench, type PipelineBenchOptions } from '../../support/pipeline-bench.ts'

const qos1 = { qos: 1 } as const
const block = { queue: { size: 1000, whenFull: 'block' as const } }

/** Hosts of one pipeline, each of which dies of a batch that holds poison, with all it has. */
class Hosts {
  readonly recorder = new MemoryRecorder()
  readonly published: string[] = []
  deaths = 0
  givenUp = 0
  source = new MemorySource()
  bench: PipelineBench | undefined
  readonly #options: PipelineBenchOptions

  constructor(options: PipelineBenchOptions = {}) {
    this.#options = options
  }

  async start(): Promise<PipelineBench> {
    const { source, recorder } = this
    const limits = { ...block, sharesHost: true, ...this.#options.limits }
    this.bench = await PipelineBench.ready({ ...this.#options, source, recorder, limits })
    return this.bench
  }

  /** SIGKILL. */
  die(): void {
    this.deaths += 1
    this.#close()
    this.recorder.cut()
    this.source = this.source.successor()
  }

  /** Serves until nothing is left to do. */
  async serve(isPoison: (text: string) => boolean): Promise<void> {
    let bench = await this.start()
    for (let rounds = 0; rounds < 2000; rounds++) {
      bench.turn()
      const busy = bench.runners.find(({ gone, serving }) => !gone && serving.length > 0)
      if (busy === undefined && bench.stats.inMotion + this.source.kept.length === 0) {
        this.#close()
        return
      }
      if (busy?.serving.some(isPoison) === true) {
        this.die()
        bench = await this.start()
      } else busy?.answer(echo)
    }
    throw new Error('it never ends')
  }

  #close(): void {
    this.published.push(...(this.bench?.published ?? []))
    this.givenUp += this.bench?.stats.dropped.crash ?? 0
  }
}

test('a message that ends its host is given up after its attempts, by hosts that know of each other', async () => {
  const hosts = new Hosts()
  hosts.source.deliver('t', event('d', 1), qos1)
  hosts.source.deliver('t', event('poison', 2), qos1)
  hosts.source.deliver('t', event('d', 3), qos1)
  await hosts.serve((text) => text.includes('poison'))
  assert.equal(hosts.deaths, 4, 'once in company and three times alone')
  assert.deepEqual([...new Set(hosts.published)].toSorted(), [event('d', 1), event('d', 3)])
  assert.equal(hosts.givenUp, 1)
  assert.deepEqual(hosts.recorder.recordedSuspects, [], 'nothing is held against anybody')
  const [line] = hosts.bench?.lines.filter((each) => each.event === 'event.given-up') ?? []
  assert.equal(line?.fields['code'], 'HOST_EXITED')
})

test('a batch that waits in the runner is suspect too: the runner may have begun it', async () => {
  const hosts = new Hosts({ limits: { batch: { size: 1, delayMs: 0 } } })
  const bench = await hosts.start()
  for (const device of ['a', 'b', 'c']) {
    hosts.source.deliver('t', event(device, 1), qos1)
    bench.turn()
  }
  assert.equal(hosts.recorder.inFlight.length, 2)
  hosts.die()
  const next = await hosts.start()
  assert.deepEqual(
    hosts.recorder.recordedSuspects.map(({ attempts }) => attempts),
    [0, 0],
    'neither was alone',
  )
  next.turn()
  assert.equal(hosts.recorder.inFlight.length, 1, 'a suspect travels alone')
})

test('events that were answered are not in flight any more', async () => {
  const hosts = new Hosts()
  const bench = await hosts.start()
  hosts.source.deliver('t', event('a', 1), qos1)
  bench.turn()
  assert.equal(hosts.recorder.inFlight.length, 1)
  bench.answerAll()
  assert.deepEqual(hosts.recorder.inFlight, [])
})

test('attempts of a runner that is a process are on record before the next attempt', async () => {
  const hosts = new Hosts({ limits: { sharesHost: false, attempts: 2 } })
  const bench = await hosts.start()
  hosts.source.deliver('t', event('poison', 1), qos1)
  bench.turn()
  assert.deepEqual(hosts.recorder.inFlight, [], 'it does not take the host along')
  bench.runners[0]?.die(new EdgebootError('RUNNER_EXITED', 'x'))
  hosts.die()
  const next = await hosts.start()
  next.turn()
  next.runners[0]?.die(new EdgebootError('RUNNER_EXITED', 'x'))
  assert.deepEqual(next.dropped, { crash: 1 })
})

test('a message comes again with its attempts used up when the host died before it was acknowledged', async () => {
  const hosts = new Hosts({ limits: { attempts: 1 } })
  const bench = await hosts.start()
  hosts.source.deliver('t', event('poison', 1), qos1)
  bench.turn()
  bench.runners[0]?.die(new EdgebootError('RUNNER_EXITED', 'x'))
  assert.deepEqual(bench.dropped, { crash: 1 })
  hosts.die()
  const next = await hosts.start()
  assert.deepEqual(next.dropped, { crash: 1 })
  next.turn()
  assert.deepEqual(hosts.source.kept, [])
})

test('counts are on record before the acknowledgement of what they count', async () => {
  const recorder = new MemoryRecorder()
  const source = new MemorySource()
  const bench = await PipelineBench.ready({ recorder, source, limits: block })
  const acknowledge = source.acknowledge.bind(source)
  const seen: number[] = []
  source.acknowledge = (token) => {
    seen.push(recorder.recordedBooks.published)
    acknowledge(token)
  }
  for (let i = 0; i < 3; i++) source.deliver('t', event('d', i), qos1)
  bench.answerAll()
  assert.deepEqual(seen, [3, 3, 3])
  assert.ok(recorder.writes <= 2, `${recorder.writes} writes`)
})

// However many travel together and wherever the culprit is: found in log2(n) + attempts hosts.
test('the message that ends its host is found in log2(n) + attempts deaths, and nobody else is given up', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40 }),
      fc.nat(39),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 2 }),
      async (size, place, devices, attempts, workers) => {
        const hosts = new Hosts({ workers, limits: { attempts, batch: { size: 16, delayMs: 0 } } })
        for (let i = 0; i < size; i++) {
          const device = `${i === place % size ? 'poison' : ''}${i % devices}`
          const payload = { deviceInfo: { deviceName: `d${i % devices}` }, device, serial: i }
          hosts.source.deliver('t', JSON.stringify(payload), qos1)
        }
        await hosts.serve((text) => text.includes('poison'))
        const together = Math.min(size, 16 * 2 * workers)
        const deathsMax = Math.ceil(Math.log2(together)) + attempts
        assert.ok(hosts.deaths <= deathsMax, `${hosts.deaths} deaths of ${together} events`)
        assert.equal(hosts.givenUp, 1)
        assert.equal(new Set(hosts.published).size, size - 1)
        const last = new Map<string, number>()
        const seen = new Set<string>()
        for (const text of hosts.published) {
          if (seen.has(text)) continue
          seen.add(text)
          const { deviceInfo, serial } = JSON.parse(text) as {
            deviceInfo: { deviceName: string }
            serial: number
          }
          assert.ok((last.get(deviceInfo.deviceName) ?? -1) < serial, 'order of a device')
          last.set(deviceInfo.deviceName, serial)
        }
      },
    ),
    { numRuns: 200 },
  )
})

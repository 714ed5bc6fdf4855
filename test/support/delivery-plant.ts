import assert from 'node:assert/strict'
import { EdgebootError } from '../../src/core/errors.ts'
import { addStats, closeBooks, emptyStats } from '../../src/pipeline/ledger.ts'
import type { PipelineStats } from '../../src/pipeline/pipeline-stats.ts'
import type { InferOutcome } from '../../src/runtime/runner.ts'
import { MemorySink } from '../../src/transport/memory-sink.ts'
import { MemorySource } from '../../src/transport/memory-source.ts'
import { type FakeRunner, value } from './fake-runner.ts'
import { MemoryRecorder } from './memory-recorder.ts'
import { MemoryLetters } from './memory-letters.ts'
import { assertBalanced, PipelineBench } from './pipeline-bench.ts'

/** What is to become of a message: decided by its payload, so that every copy fares alike. */
export type Fate = 'fine' | 'bad' | 'empty' | 'error' | 'refused'

/** A message as it was delivered to the broker. */
interface Delivered {
  readonly text: string
  readonly fate: Fate
}

/** How a plant is built. */
export interface PlantOptions {
  /** Messages that the broker sends without an acknowledgement. */
  readonly window: number
  /** Every message fits two device entries. */
  readonly fansOut: boolean
  /** Suspects travel by themselves. */
  readonly sharesHost: boolean
}

const queueSize = 6
const batchSize = 3
const workers = 2
/** Those of a version that was replaced, and those of the one that replaced it. */
const inRunnersMax = 2 * workers * 2 * batchSize

/**
 * One broker, its persistent session, one disk, and one pipeline after another between them, as a
 * supervisor would start them. With QoS 1 and `block`: whatever happens, {@link check} holds.
 */
export class DeliveryPlant {
  readonly #options: PlantOptions
  readonly #delivered: Delivered[] = []
  /** Of the pipelines that are gone. */
  readonly #publishedBefore: string[] = []
  #redeliveredBefore = 0
  #booksBefore: PipelineStats = emptyStats()
  readonly #recorder = new MemoryRecorder(2 * workers * 2)
  /** Dead letters, on the same disk. */
  readonly #letters = new MemoryLetters()
  /** Texts of results that were refused when they came from the spool: their events had ended. */
  readonly #refusedLater = new Set<string>()
  /** The model that serves, or would after a restart; versions count up. */
  #version = 1
  #isSwapping = false
  #source: MemorySource
  #bench: PipelineBench

  private constructor(options: PlantOptions) {
    this.#options = options
    this.#source = new MemorySource({ window: options.window })
    this.#bench = this.#build([])
  }

  static async open(options: PlantOptions): Promise<DeliveryPlant> {
    const plant = new DeliveryPlant(options)
    await plant.#bench.pipeline.start()
    return plant
  }

  deliver(device: number, fate: Fate): void {
    const serial = this.#delivered.length
    const body = { deviceInfo: { deviceName: `d${device}` }, telemetry: { serial }, fate }
    const text = fate === 'bad' ? `bad ${serial}` : JSON.stringify(body)
    this.#delivered.push({ text, fate })
    this.#source.deliver('t', text, { qos: 1 })
  }

  async load(): Promise<void> {
    for (const runner of this.#bench.runners) if (!runner.gone) await runner.load()
    this.#bench.turn()
  }

  /** @param newestFirst - Whether the youngest runner is the quicker one. */
  answer(countMax: number, newestFirst = false): void {
    this.#busy(newestFirst)?.answer(modelAnswer, countMax)
    this.#bench.turn()
  }

  /** Another version of the model begins to load. */
  swap(): void {
    if (this.#isSwapping) return
    this.#isSwapping = true
    const bench = this.#bench
    const next = this.#version + 1
    void bench.swap(String(next)).then((hasTakenOver) => {
      if (bench !== this.#bench) return
      this.#isSwapping = false
      if (hasTakenOver) this.#version = next
    })
  }

  /** A version that loads cannot be loaded after all, or dies when it is. */
  async refuse(): Promise<void> {
    const incoming = this.#bench.runners.find(
      ({ gone, version }) => !gone && Number(version) > this.#version,
    )
    const error = new EdgebootError('RUNNER_EXITED', 'x')
    if (incoming?.isLoaded === true) incoming.die(error)
    else await incoming?.failToLoad(error)
    this.#bench.turn()
  }

  die(): void {
    const victim = this.#bench.runners.find(({ gone, isLoaded }) => isLoaded && !gone)
    victim?.die(new EdgebootError('RUNNER_EXITED', 'x'))
    this.#bench.turn()
  }

  wait(delayMs: number): void {
    this.#bench.clock.advance(delayMs)
    this.#bench.turn()
  }

  /** The output broker answers for the oldest results; or they go to the disk, and all behind them. */
  settle(count: number, toDisk: boolean): void {
    const { sink } = this.#bench
    for (let i = 0; i < count; i++) {
      const [oldest] = sink.held
      if (oldest === undefined) break
      if (toDisk || sink.disk.length > 0) oldest.settle('spooled')
      else oldest.settle(isRefused(oldest.message.payload) ? 'refused' : 'published')
    }
    this.#bench.turn()
  }

  /** The output broker takes or refuses the oldest result on the disk. */
  forward(): void {
    const { sink } = this.#bench
    const [oldest] = sink.disk
    if (oldest !== undefined && isRefused(oldest.payload)) {
      this.#refusedLater.add(textOf(oldest.payload))
      sink.discard('refused')
    } else {
      sink.forward()
    }
  }

  lose(): void {
    this.#source.lose('cable pulled')
  }

  reconnect(): void {
    this.#source.reconnect()
    this.#bench.turn()
  }

  /** The disk takes none of the next letters. */
  fillDisk(commits: number): void {
    this.#letters.failures = commits
  }

  /** Somebody wants all dead letters to be run again. */
  replay(): void {
    this.#letters.wantAll()
    this.#bench.pipeline.replay()
    this.#bench.turn()
  }

  heartbeat(): void {
    assertBalanced(this.#bench.stats)
  }

  /** SIGKILL: nothing is said, and what was in memory is gone. */
  async kill(): Promise<void> {
    await this.#next()
  }

  /** SIGTERM, with a drain in the midst of which some more comes out. */
  async stop(options: { readonly answers: number; readonly toDisk: boolean }): Promise<void> {
    const { pipeline, clock, sink } = this.#bench
    sink.settleOnClose(options.toDisk ? 'spooled' : 'closed')
    const stopping = pipeline.stop(500)
    this.answer(options.answers)
    this.settle(options.answers, false)
    clock.advance(500)
    await stopping
    assert.equal(this.#bench.stats.inMotion, 0)
    assert.deepEqual(this.#recorder.inFlight, [], 'an ordered end is held against nobody')
    this.check()
    await this.#next()
  }

  /** Everything works from here on, until nothing is left to do. */
  async finish(): Promise<void> {
    this.#source.reconnect()
    this.#letters.failures = 0
    for (let round = 0; round < 200 && !this.#isDone; round++) {
      this.wait(60_000)
      await this.load()
      while (this.#busy() !== undefined) this.answer(Infinity)
      this.settle(Infinity, false)
      while (this.#bench.sink.disk.length > 0) this.forward()
      this.check()
    }
    assert.deepEqual(this.#source.kept, [], 'the broker keeps nothing')
    assert.equal(this.#bench.stats.inMotion, 0)
  }

  /** What must hold at any moment. */
  check(): void {
    const { stats, sink } = this.#bench
    assertBalanced(stats)
    assertBalanced(addStats(this.#booksBefore, stats))
    assert.equal(
      stats.inMotion,
      stats.preQueue + stats.inRunners + stats.postQueue + stats.deadLettersWaiting,
    )
    assert.equal(stats.spooled, sink.spooled)
    this.#checkBounds(stats)
    this.#checkAcknowledged()
    this.#checkRecords()
    this.#checkOrder()
    this.#checkVersions()
    this.#checkCopies()
  }

  #checkBounds(stats: PipelineStats): void {
    // One message more may come when the queue is all but full, as two events.
    assert.ok(stats.preQueue <= queueSize + 1 + inRunnersMax, `${stats.preQueue} events wait`)
    assert.ok(stats.inRunners <= inRunnersMax, `${stats.inRunners} events in runners`)
    assert.ok(stats.postQueue <= queueSize + inRunnersMax, `${stats.postQueue} results wait`)
    assert.ok(stats.unacknowledged <= this.#options.window, `${stats.unacknowledged} not acked`)
  }

  /** What the broker was told to forget is published, on the disk, or was never to be. */
  #checkAcknowledged(): void {
    const kept = new Set(this.#source.kept.map(({ payload }) => textOf(payload)))
    const safe = this.#copies()
    const buried = new Set(this.#letters.texts)
    for (const { text, fate } of this.#delivered) {
      if (kept.has(text)) continue
      if (fate !== 'fine' && fate !== 'empty') {
        const isSpooled = this.#topics.some((topic) => safe.has(topic + text))
        const isKept = buried.has(text) || isSpooled || this.#refusedLater.has(text)
        assert.ok(isKept, `no letter: ${text}`)
      }
      if (fate !== 'fine') continue
      for (const topic of this.#topics) assert.ok(safe.has(topic + text), `lost: ${text}`)
    }
  }

  /** Whatever is killed now, every event that was acknowledged is on record as settled. */
  #checkRecords(): void {
    const recorded = { ...emptyStats(), ...this.#recorder.recordedBooks }
    assertBalanced(recorded)
    const books = closeBooks(addStats(this.#booksBefore, recorded), 'unacknowledged')
    assertBalanced(books)
    const kept = new Set(this.#source.kept.map(({ payload }) => textOf(payload)))
    let acknowledged = 0
    for (const { text, fate } of this.#delivered) {
      if (!kept.has(text)) acknowledged += fate === 'bad' ? 1 : this.#topics.length
    }
    // A replay that is cut off by a kill counts as unacknowledged, too.
    const came = books.received + books.fannedOut + books.replayed
    const settled = came - books.dropped.unacknowledged
    assert.ok(settled >= acknowledged, `${acknowledged} acknowledged, ${settled} on record`)
  }

  /** Results of a device come in the order of its messages; repeats may come whenever. */
  #checkOrder(): void {
    const seen = new Set<string>()
    const last = new Map<string, number>()
    for (const each of this.#published) {
      if (seen.has(each)) continue
      seen.add(each)
      const { deviceInfo, telemetry } = JSON.parse(each.slice(each.indexOf('{'))) as {
        deviceInfo: { deviceName: string }
        telemetry: { serial: number }
      }
      const lane = each.slice(0, each.indexOf('{')) + deviceInfo.deviceName
      assert.ok((last.get(lane) ?? -1) < telemetry.serial, `out of order: ${each}`)
      last.set(lane, telemetry.serial)
    }
  }

  /** A key that has gone over to a version never goes back. */
  #checkVersions(): void {
    const last = new Map<string, number>()
    for (const { topic, payload, sharedProperties } of this.#bench.sink.published) {
      const { deviceInfo } = JSON.parse(textOf(payload)) as { deviceInfo: { deviceName: string } }
      const lane = topic + deviceInfo.deviceName
      const version = Number(sharedProperties?.['version'])
      assert.ok((last.get(lane) ?? 0) <= version, `${lane} went back to version ${version}`)
      last.set(lane, version)
    }
  }

  /** Nothing comes twice but what the broker sent twice. */
  #checkCopies(): void {
    let repeats = 0
    for (const count of this.#copies().values()) repeats += count - 1
    const redelivered = this.#redeliveredBefore + this.#bench.stats.redelivered
    assert.ok(repeats <= redelivered * this.#topics.length, `${repeats} repeats`)
  }

  get #isDone(): boolean {
    return this.#source.kept.length === 0 && this.#bench.stats.inMotion === 0
  }

  get #topics(): readonly string[] {
    return this.#options.fansOut ? ['one', 'two'] : ['all']
  }

  /** Topic and text of every result that came out, in order. */
  get #published(): readonly string[] {
    return [...this.#publishedBefore, ...this.#bench.sink.published.map(lineOf)]
  }

  #copies(): Map<string, number> {
    const copies = new Map<string, number>()
    for (const line of [...this.#published, ...this.#bench.sink.disk.map(lineOf)]) {
      copies.set(line, (copies.get(line) ?? 0) + 1)
    }
    return copies
  }

  #busy(newestFirst = false): FakeRunner | undefined {
    const runners = newestFirst ? this.#bench.runners.toReversed() : this.#bench.runners
    return runners.find(({ gone, serving }) => !gone && serving.length > 0)
  }

  async #next(): Promise<void> {
    const { sink, stats } = this.#bench
    this.#publishedBefore.push(...sink.published.map(lineOf))
    this.#redeliveredBefore += stats.redelivered
    // As the supervisor does it, with what is on record.
    this.#recorder.cut()
    const last = { ...emptyStats(), ...this.#recorder.recordedBooks }
    this.#booksBefore = closeBooks(addStats(this.#booksBefore, last), 'unacknowledged')
    this.#source = this.#source.successor()
    this.#isSwapping = false
    this.#bench = this.#build(sink.disk)
    await this.#bench.pipeline.start()
  }

  #build(disk: MemorySink['disk']): PipelineBench {
    const sink = new MemorySink()
    sink.disk.push(...disk)
    sink.hold()
    const devices = this.#options.fansOut ? ['one', 'two'] : []
    return new PipelineBench({
      source: this.#source,
      sink,
      workers,
      version: String(this.#version),
      matcher: { devices: devices.map((name) => ({ name, attributes: [] })) },
      resultTopic: (_topic, device) => device ?? 'all',
      deadLetters: { store: this.#letters },
      recorder: this.#recorder,
      limits: {
        queue: { size: queueSize, whenFull: 'block' },
        batch: { size: batchSize, delayMs: 0 },
        // Deaths are random here: no message is to blame for one.
        attempts: Infinity,
        sharesHost: this.#options.sharesHost,
      },
    })
  }
}

function textOf(payload: Uint8Array): string {
  return new TextDecoder().decode(payload)
}

function isRefused(payload: Uint8Array): boolean {
  return textOf(payload).includes('"refused"')
}

function lineOf({ topic, payload }: { topic: string; payload: Uint8Array }): string {
  return topic + textOf(payload)
}

function modelAnswer(text: string): InferOutcome {
  if (text.includes('"empty"')) return { kind: 'empty' }
  if (text.includes('"error"')) return { kind: 'error', error: { type: 'E', message: 'm' } }
  return value(text)
}

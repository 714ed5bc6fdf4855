import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BenchBroker } from './broker.ts'
import { BuiltEdgeboot, droppedText } from './built-edgeboot.ts'
import type { LoadCounts } from './load-messages.ts'
import { LoadProcess } from './load-process.ts'
import { inputFilter } from './messages.ts'
import type { Misfit } from './misfits.ts'
import { NumberedFeed } from './numbered-feed.ts'
import { spread, type Spread } from './summary.ts'

/** How a measurement beside a misfit goes. */
export interface NeighbourPlan {
  /** Messages per second of the neighbour. */
  readonly rate: number
  /** Pairs of windows: the misfit behaves, it misbehaves. */
  readonly rounds: number
  /** Length of each window. */
  readonly seconds: number
}

/** The neighbour of one misfit. */
export interface NeighbourFigures {
  readonly misfit: string
  /** How often it misbehaved. */
  readonly culprits: number
  /** What its rule counted, such as `deadline 12`. */
  readonly counted: string
  /** While it behaved, and while it misbehaved. */
  readonly p50Ms: { readonly before: Spread; readonly during: Spread }
  readonly p99Ms: { readonly before: Spread; readonly during: Spread }
  /** During over before, of the p99 of a pair of windows. */
  readonly ratio: Spread
  /** Messages of the neighbour without a result, and results twice or out of order. */
  readonly lost: number
  readonly disordered: number
}

interface WindowPair {
  readonly before: LoadCounts
  readonly during: LoadCounts
}

const warmUpSeconds = 3
/** Between healthy events of the misfit. */
const healthyEveryMs = 100
/** Between those that misbehave, unless the one before is not over. */
const culpritEveryMs = 1000
/** After a window, until what the misfit did is over. */
const settleMsMax = 20_000
/** Everything besides the windows. */
const overheadMsMax = 120_000

/**
 * A healthy model in a thread, QoS 1, in one edgeboot with a misfit: windows in which that gets
 * healthy events alone, and others in which it gets one a second, at most, that makes it misbehave.
 */
export async function measureNeighbour(
  main: string,
  misfit: Misfit,
  plan: NeighbourPlan,
  stopped: AbortSignal,
): Promise<NeighbourFigures> {
  const limitMs = plan.rounds * plan.seconds * 2000 + overheadMsMax
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(limitMs)])
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'edgeboot-bench-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const broker = stack.use(await BenchBroker.start(folder, ['set_tcp_nodelay true']))
  await copyModels(misfit, join(folder, 'models'))
  const yaml = configuration(broker.port, misfit)
  const edgeboot = stack.use(await BuiltEdgeboot.start(main, folder, yaml, signal))
  const load = stack.use(await LoadProcess.start(broker.port, 1, signal))
  const feed = stack.use(new MisfitFeed(await NumberedFeed.open(broker.port, 'misfit')))

  load.rate(plan.rate)
  await sleep(warmUpSeconds * 1000, undefined, { signal })
  const window = async (): Promise<LoadCounts> => {
    await load.count(signal)
    await sleep(plan.seconds * 1000, undefined, { signal })
    return load.count(signal)
  }
  const pairs: WindowPair[] = []
  for (let round = 0; round < plan.rounds; round++) {
    const before = await window()
    feed.misbehaves = true
    const during = await window()
    feed.misbehaves = false
    pairs.push({ before, during })
    await settled(edgeboot, signal)
  }
  const end = await load.finish(signal)
  feed[Symbol.dispose]()
  const counted = await settled(edgeboot, signal)
  return {
    misfit: misfit.name,
    culprits: feed.culprits,
    counted,
    ...compare(pairs),
    ...account(end),
  }
}

async function copyModels({ name }: Misfit, folder: string): Promise<void> {
  const misfit = join(import.meta.dirname, '../test/fixtures/misbehaving', name)
  const neighbour = join(import.meta.dirname, 'models/verdict')
  await cp(neighbour, join(folder, 'verdict'), { recursive: true })
  await cp(misfit, join(folder, 'misfit'), { recursive: true })
}

function account({ sent, received, disordered }: LoadCounts): { lost: number; disordered: number } {
  return { lost: sent - received, disordered }
}

function compare(
  pairs: readonly WindowPair[],
): Pick<NeighbourFigures, 'p50Ms' | 'p99Ms' | 'ratio'> {
  const of = (pick: (pair: WindowPair) => number): Spread => spread(pairs.map(pick)) as Spread
  return {
    p50Ms: { before: of(({ before }) => before.p50Ms), during: of(({ during }) => during.p50Ms) },
    p99Ms: { before: of(({ before }) => before.p99Ms), during: of(({ during }) => during.p99Ms) },
    ratio: of(({ before, during }) => during.p99Ms / Math.max(before.p99Ms, 1)),
  }
}

/** Waits until the misfit has answered, or given up, what it had. @returns What it dropped so far. */
async function settled(edgeboot: BuiltEdgeboot, signal: AbortSignal): Promise<string> {
  const lastAt = performance.now() + settleMsMax
  for (;;) {
    const misfit = (await edgeboot.pipelines()).find(({ rule }) => rule === 'misfit')
    const isQuiet = misfit?.state === 'READY' && misfit.stats.inMotion <= 1
    if (isQuiet || performance.now() > lastAt) return droppedText(misfit)
    await sleep(200, undefined, { signal })
  }
}

/** What a misfit gets: healthy events all the while, others when it is to misbehave. */
class MisfitFeed implements Disposable {
  misbehaves = false
  culprits = 0
  readonly #feed: NumberedFeed
  readonly #timer: NodeJS.Timeout
  #lastCulpritAt = -Infinity
  /** The healthy event behind the last one that misbehaves: when it is answered, that is over. */
  #waitsFor = 0

  constructor(feed: NumberedFeed) {
    this.#feed = feed
    feed.answered = (n) => {
      if (n >= this.#waitsFor) this.#waitsFor = 0
    }
    this.#timer = setInterval(() => this.#tick(), healthyEveryMs)
  }

  #tick(): void {
    const now = performance.now()
    if (this.misbehaves && this.#waitsFor === 0 && now - this.#lastCulpritAt >= culpritEveryMs) {
      this.#lastCulpritAt = now
      this.#waitsFor = this.#feed.send({ misbehave: true }) + 1
      this.culprits += 1
    }
    this.#feed.send()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#feed[Symbol.dispose]()
  }
}

function configuration(port: number, { name, func }: Misfit): string {
  return `# ${basename(name)}
mqtts: [{ name: plant, broker: "tcp://127.0.0.1:${port}", qos: 1 }]
rules:
  - name: neighbour
    sub: { name: plant, topic: ${inputFilter} }
    pub: { name: plant, topic: "bench/\${topic[1]}/result" }
    funcs: [verdict]
  - name: misfit
    sub: { name: plant, topic: misfit/in }
    pub: { name: plant, topic: misfit/out }
    funcs: [misfit]
    onError: { attempts: 1 }
funcs:
  - { modelName: verdict }
  - { modelName: misfit, ${func} }
`
}

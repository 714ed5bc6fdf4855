import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BenchBroker } from './broker.ts'
import { BuiltEdgeboot, droppedText } from './built-edgeboot.ts'
import { spread, type Spread } from './summary.ts'
import type { SwapTotals } from './swap-account.ts'
import { splitLatency, type LatencySplit, type SwapWindow } from './swap-latency.ts'
import { packagePath, shownVersion, writeVersions, type SwapLanguage } from './swap-models.ts'
import { swapInput, swapOutput, SwapTraffic } from './swap-traffic.ts'

/** What is measured: the same traffic through swap after swap. */
export interface SwapPlan {
  readonly language: SwapLanguage
  /** Of the devices, of both connections of edgeboot, and of whoever reads the results. */
  readonly qos: 0 | 1
  /** Messages per second. */
  readonly rate: number
  readonly swaps: number
  /** From the request of one swap to that of the next, seconds; longer when a swap takes longer. */
  readonly everySeconds: number
}

/** What came of it. */
export interface SwapFigures extends LatencySplit {
  readonly language: SwapLanguage
  readonly qos: 0 | 1
  readonly totals: SwapTotals
  /** Messages a second that were sent indeed, all the time. */
  readonly perSecond: number
  /** From the request to the first result of the new version, milliseconds. */
  readonly takeOverMs: Spread
  /** Host processes that served: 1 when all swaps happened inside one. */
  readonly hosts: number
  /** What edgeboot counted as dropped, such as `queue-full 3`. */
  readonly dropped: string
}

const warmUpSeconds = 2
/** What comes so long after a new version took over belongs to its swap. */
const afterMs = 1_000
/** Between the end of that and the next request, at least. */
const quietMsMin = 1_000
const swapMsMax = 30_000
/** Everything besides the swaps. */
const overheadMsMax = 60_000

/**
 * One edgeboot, one rule, two runners and a broker: every few seconds the configuration gets the
 * address of the next version, and a reload is asked for, while messages flow.
 *
 * @throws Error when a version does not take over, with what edgeboot says of it.
 */
export async function measureSwaps(
  main: string,
  plan: SwapPlan,
  stopped: AbortSignal,
): Promise<SwapFigures> {
  const { language, qos, rate, swaps, everySeconds } = plan
  const limitMs = swaps * (everySeconds * 1000 + swapMsMax) + overheadMsMax
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(limitMs)])
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'edgeboot-bench-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  await writeVersions(folder, language, swaps + 1)
  const broker = stack.use(await BenchBroker.start(folder, ['set_tcp_nodelay true']))
  const yaml = (version: number): string => configuration(broker.port, qos, version)
  const edgeboot = stack.use(await BuiltEdgeboot.start(main, folder, yaml(1), signal))
  const traffic = stack.use(await SwapTraffic.open(broker.port, qos))

  const startedAt = performance.now()
  traffic.start(rate)
  await sleep(warmUpSeconds * 1000, undefined, { signal })
  const measuredFrom = performance.now()
  const windows: SwapWindow[] = []
  const takeOverMs: number[] = []
  const hosts = new Set<number | undefined>()
  let nextAt = measuredFrom + (everySeconds * 1000) / 2
  for (let version = 2; version <= swaps + 1; version++) {
    await sleep(nextAt - performance.now(), undefined, { signal })
    const from = performance.now()
    await edgeboot.reconfigure(yaml(version))
    const tookOverAt = await takeOver(edgeboot, traffic, version, signal)
    hosts.add((await edgeboot.pipelines())[0]?.pid)
    takeOverMs.push(tookOverAt - from)
    windows.push({ from, to: tookOverAt + afterMs })
    nextAt = Math.max(from + everySeconds * 1000, tookOverAt + afterMs + quietMsMin)
  }
  await sleep(nextAt - performance.now(), undefined, { signal })
  const sendingMs = performance.now() - startedAt
  const totals = await traffic.finish(signal)
  const [pipeline] = await edgeboot.pipelines()
  const flights = traffic.flights.filter(({ publishedAt }) => publishedAt >= measuredFrom)
  return {
    language,
    qos,
    totals,
    perSecond: (totals.sent / sendingMs) * 1000,
    takeOverMs: spread(takeOverMs) as Spread,
    ...splitLatency(flights, windows),
    hosts: hosts.size,
    dropped: droppedText(pipeline),
  }
}

/** @returns When the first result of the version came; by then or soon after, edgeboot shows it, too. */
async function takeOver(
  edgeboot: BuiltEdgeboot,
  traffic: SwapTraffic,
  version: number,
  signal: AbortSignal,
): Promise<number> {
  const lastAt = performance.now() + swapMsMax
  for (;;) {
    const tookOverAt = traffic.firstResultAt(version)
    const [pipeline] = await edgeboot.pipelines()
    const { state, reason, modelVersion, update } = pipeline ?? {}
    const isShown = modelVersion?.startsWith(shownVersion(version)) && state === 'READY'
    if (tookOverAt !== undefined && isShown && update === undefined) return tookOverAt
    if (update?.state === 'refused' || performance.now() > lastAt) {
      const said = update?.reason ?? reason ?? 'nothing'
      throw new Error(`version ${version} did not take over; edgeboot says: ${said}`)
    }
    await sleep(100, undefined, { signal })
  }
}

/** A queue that outlasts a pause of the machine: a message dropped there would be no fault of a swap. */
function configuration(port: number, qos: 0 | 1, version: number): string {
  return `mqtts: [{ name: plant, broker: "tcp://127.0.0.1:${port}", qos: ${qos} }]
rules:
  - name: swap
    sub: { name: plant, topic: ${swapInput} }
    pub: { name: plant, topic: "${swapOutput}" }
    queue: { size: 10000 }
    orderBy: device
    funcs: [swapped]
funcs: [{ modelName: swapped, modelAddress: ${packagePath(version)}, workers: 2 }]
`
}

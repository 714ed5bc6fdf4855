import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BenchBroker } from './broker.ts'
import type { Contestant } from './contestants/contestant.ts'
import { cpuUse, usedUs } from './cpu.ts'
import type { LoadCounts } from './load-messages.ts'
import { LoadProcess } from './load-process.ts'

/** What one run is. */
export interface RunPlan {
  /** Messages per second. */
  readonly rate: number
  /** Length of the measured window. */
  readonly seconds: number
  /** Before it, at the rate, but at least {@link warmUpRateMin}. */
  readonly warmUpSeconds: number
  /** Further lines for the configuration of the broker. */
  readonly brokerLines: readonly string[]
}

/** What was found in the measured window of one run. */
export interface Figures {
  /** CPU of the contestant per result, all its threads, microseconds. */
  readonly cpuUs: number
  /** CPU of a process that looks after it, per result; 0 when there is none. */
  readonly mainUs: number
  readonly brokerUs: number
  /** Results per second. */
  readonly delivered: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Why the figures do not count; empty when they do. */
  readonly refusals: readonly string[]
}

/** Code is compiled by use, not by time: low rates warm up at this one. */
const warmUpRateMin = 5_000
/** At the rate, before the window opens. */
const settleSeconds = 0.5
/** Everything besides warm-up and window: start, rest of the results, stop. */
const overheadMsMax = 60_000
/** Share of the rate that must be delivered. */
const deliveredShareMin = 0.98

/**
 * One run: a fresh broker, a fresh contestant, warm-up, the window, then the rest of the results
 * and the check that each came once, in order, with the QoS that it was to have.
 *
 * @throws Error when the contestant does not start or dies; AbortError when the signal comes.
 */
export async function measure(
  contestant: Contestant,
  plan: RunPlan,
  stopped: AbortSignal,
): Promise<Figures> {
  const limitMs = (plan.warmUpSeconds + plan.seconds) * 1000 + overheadMsMax
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(limitMs)])
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'edgeboot-bench-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const broker = stack.use(await BenchBroker.start(folder, plan.brokerLines))
  const running = stack.use(await contestant.start(broker.port, folder, signal))
  const load = stack.use(await LoadProcess.start(broker.port, contestant.qos, signal))

  load.rate(Math.max(plan.rate, warmUpRateMin))
  await sleep(plan.warmUpSeconds * 1000, undefined, { signal })
  load.rate(plan.rate)
  await sleep(settleSeconds * 1000, undefined, { signal })

  const pids = [running.pid, running.mainPid, broker.pid]
  const read = (): (ReturnType<typeof cpuUse> | undefined)[] =>
    pids.map((pid) => (pid === undefined ? undefined : cpuUse(pid)))
  const countsBefore = await load.count(signal)
  const cpuBefore = read()
  const openedAt = performance.now()
  await sleep(plan.seconds * 1000, undefined, { signal })
  const counts = await load.count(signal)
  const cpuAfter = read()
  const seconds = (performance.now() - openedAt) / 1000

  const end = await load.finish(signal)
  const results = counts.received - countsBefore.received
  const [cpuUs = 0, mainUs = 0, brokerUs = 0] = cpuBefore.map((before, i) => {
    const after = cpuAfter[i]
    return before === undefined || after === undefined ? 0 : usedUs(before, after) / results
  })
  const delivered = results / seconds
  const refusals = faults(end, contestant.qos, await broker.inputQos())
  if (delivered < plan.rate * deliveredShareMin) {
    refusals.push(`delivered ${Math.round(delivered)}/s of ${plan.rate}/s`)
  }
  return { cpuUs, mainUs, brokerUs, delivered, p50Ms: counts.p50Ms, p99Ms: counts.p99Ms, refusals }
}

function faults(end: LoadCounts, qos: 0 | 1, inputQos: number | undefined): string[] {
  const found: string[] = []
  if (end.received !== end.sent) found.push(`${end.sent} messages in, ${end.received} results out`)
  if (end.disordered > 0) found.push(`${end.disordered} results twice or out of order`)
  if (end.wrongQos > 0) found.push(`${end.wrongQos} results not published with QoS ${qos}`)
  if (inputQos !== qos) found.push(`subscribed with QoS ${inputQos ?? 'none'} instead of ${qos}`)
  return found
}

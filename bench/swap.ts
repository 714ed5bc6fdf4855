/**
 * The command: version after version of a model takes over under traffic. What was lost, what came
 * twice or out of order, and what the messages noticed that were on their way meanwhile.
 */
import { writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { builtMain } from './built-edgeboot.ts'
import { machine } from './machine.ts'
import { isFlawless } from './swap-account.ts'
import type { Latency } from './swap-latency.ts'
import { readSwapOptions, swapHelp, type SwapOptions } from './swap-options.ts'
import { measureSwaps, type SwapFigures } from './swap-run.ts'
import { alignColumns, spreadText } from './table.ts'

/** As `edgeboot chaos` exits when its account does not add up. */
const flawStatus = 5

const titles = [
  'model',
  'QoS',
  'per second',
  'sent',
  'lost',
  'twice',
  'out of order',
  'older version',
  'not sent',
  'hosts',
  'to take over, ms',
  'quiet p50 / p99 / max ms',
  'swap p50 / p99 / max ms',
]

const interrupt = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupt.abort())

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

/** @returns The exit status: 0 when every message had one result, in order, and none of an older version. */
async function main(): Promise<number> {
  const options = readSwapOptions(process.argv.slice(2))
  if (options === undefined) {
    console.log(swapHelp)
    return 0
  }
  const builtFile = builtMain(options.checkout)
  const { rate, swaps, everySeconds } = options
  console.log(
    `${machine()}, load ${loadText()}; ${rate} messages a second, ${swaps} swaps, one every ${everySeconds} s\n`,
  )
  const runs = await measureAll(builtFile, options)
  console.log(alignColumns([titles, ...runs.map(cells)]).join('\n'))
  console.log(`\nload ${loadText()} at the end`)
  for (const { language, qos, dropped } of runs) {
    if (dropped !== '') console.log(`${language}, QoS ${qos}: edgeboot counted ${dropped}`)
  }
  if (options.jsonFile !== undefined) {
    const report = { machine: machine(), at: new Date().toISOString(), options, runs }
    await writeFile(options.jsonFile, `${JSON.stringify(report, undefined, 2)}\n`)
  }
  return runs.every(({ totals }) => isFlawless(totals)) ? 0 : flawStatus
}

async function measureAll(main: string, options: SwapOptions): Promise<SwapFigures[]> {
  const { languages, qos: levels, rate, swaps, everySeconds } = options
  const runs: SwapFigures[] = []
  for (const language of languages) {
    for (const qos of levels) {
      const plan = { language, qos, rate, swaps, everySeconds }
      const figures = await measureSwaps(main, plan, interrupt.signal).catch((error: unknown) => {
        interrupt.signal.throwIfAborted()
        throw new Error(`${language}, QoS ${qos}: ${String(error)}`, { cause: error })
      })
      runs.push(figures)
      const { sent, lost } = figures.totals
      console.error(`${language}, QoS ${qos}: ${sent} sent, ${lost} lost; load ${loadText()}`)
    }
  }
  return runs
}

function cells(figures: SwapFigures): string[] {
  const { language, qos, perSecond, totals, hosts, takeOverMs, quiet, during } = figures
  const { sent, lost, duplicates, disordered, backwards, strange } = totals
  const faults = [lost, duplicates, disordered, backwards, strange]
  const counts = [qos, Math.round(perSecond), sent, ...faults, hosts].map(String)
  return [language, ...counts, spreadText(takeOverMs, 0), latencyText(quiet), latencyText(during)]
}

function latencyText({ p50Ms, p99Ms, maxMs }: Latency): string {
  return [p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(1)).join(' / ')
}

function loadText(): string {
  return loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')
}

/**
 * The command: measures what one message costs, for edgeboot and for what it is held against.
 * Contestants take turns (A B C A B C …), so that whatever else the machine does happens to all.
 */
import { writeFile } from 'node:fs/promises'
import { enter } from './contestants/field.ts'
import type { Contestant } from './contestants/contestant.ts'
import { machine } from './machine.ts'
import { measure } from './measure.ts'
import { helpText, readOptions, type BenchOptions } from './options.ts'
import { judge, summarize, type Run } from './summary.ts'
import { renderTable } from './table.ts'

const interrupt = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupt.abort())

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

/** @returns The exit status: 0 when every contestant has figures at every rate. */
async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options === undefined) {
    console.log(helpText)
    return 0
  }
  const contestants = enter(options.contestants, options.checkouts)
  console.log(`${machine()}; ${options.rounds} rounds of ${options.seconds} s\n`)
  const runs: Run[] = []
  let complete = true
  for (const rate of options.rates) {
    const atRate = await measureRate(rate, contestants, options)
    const rows = summarize(atRate, contestants)
    complete &&= rows.every(({ cpuUs }) => cpuUs !== undefined)
    console.log(renderTable(rate, rows, judge(atRate, contestants)))
    runs.push(...atRate)
    if (options.jsonFile !== undefined) {
      const report = { machine: machine(), at: new Date().toISOString(), options, runs }
      await writeFile(options.jsonFile, `${JSON.stringify(report, undefined, 2)}\n`)
    }
  }
  return complete ? 0 : 1
}

async function measureRate(
  rate: number,
  contestants: readonly Contestant[],
  options: BenchOptions,
): Promise<Run[]> {
  const { rounds, seconds, warmUpSeconds, brokerLines } = options
  const runs: Run[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const contestant of contestants) {
      const { name } = contestant
      const plan = { rate, seconds, warmUpSeconds, brokerLines }
      const figures = await measure(contestant, plan, interrupt.signal).catch((error: unknown) => {
        interrupt.signal.throwIfAborted()
        throw new Error(`${name} at ${rate}/s: ${String(error)}`, { cause: error })
      })
      runs.push({ rate, round, contestant: name, figures })
      const remark = figures.refusals.length === 0 ? '' : ` refused: ${figures.refusals.join('; ')}`
      console.error(`${rate}/s round ${round} ${name}: ${figures.cpuUs.toFixed(1)} µs${remark}`)
    }
  }
  return runs
}

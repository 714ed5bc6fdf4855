/**
 * The command: measures how long a model is away when its runner is ended, and what a healthy model
 * notices of one that misbehaves in the same edgeboot.
 */
import { writeFile } from 'node:fs/promises'
import { builtMain } from './built-edgeboot.ts'
import {
  containmentHelp,
  readContainmentOptions,
  type ContainmentOptions,
} from './containment-options.ts'
import { machine } from './machine.ts'
import { measureNeighbour, type NeighbourFigures } from './neighbour.ts'
import { measureRecovery, type Recovery } from './recovery.ts'
import { alignColumns, spreadText } from './table.ts'

const interrupt = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupt.abort())

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

/** @returns The exit status: 0 when the neighbours got every result once, in order. */
async function main(): Promise<number> {
  const options = readContainmentOptions(process.argv.slice(2))
  if (options === undefined) {
    console.log(containmentHelp)
    return 0
  }
  const builtFile = builtMain(options.checkout)
  console.log(`${machine()}\n`)
  const recoveries = await measureRecoveries(builtFile, options)
  const neighbours = await measureNeighbours(builtFile, options)
  if (options.jsonFile !== undefined) {
    const at = new Date().toISOString()
    const report = { machine: machine(), at, options, recoveries, neighbours }
    await writeFile(options.jsonFile, `${JSON.stringify(report, undefined, 2)}\n`)
  }
  return neighbours.every(({ lost, disordered }) => lost === 0 && disordered === 0) ? 0 : 1
}

async function measureRecoveries(
  builtFile: string,
  { kills }: ContainmentOptions,
): Promise<Recovery[]> {
  const recoveries: Recovery[] = []
  if (kills === 0) return recoveries
  for (const mortal of ['javascript', 'python'] as const) {
    recoveries.push(await measureRecovery(builtFile, mortal, kills, interrupt.signal))
  }
  const rows = recoveries.map(({ mortal, awayMs, limitMs, kills }) => [
    mortal,
    ...[awayMs.min, awayMs.median, awayMs.max, limitMs].map((ms) => ms.toFixed(0)),
    String(kills),
    awayMs.max <= limitMs ? 'met' : 'NOT MET',
  ])
  const titles = ['runner ended', 'least ms', 'median ms', 'most ms', 'budget ms', 'times', '']
  console.log(`${alignColumns([titles, ...rows]).join('\n')}\n`)
  return recoveries
}

async function measureNeighbours(
  builtFile: string,
  options: ContainmentOptions,
): Promise<NeighbourFigures[]> {
  const neighbours: NeighbourFigures[] = []
  for (const misfit of options.misfits) {
    const figures = await measureNeighbour(builtFile, misfit, options, interrupt.signal).catch(
      (error: unknown) => {
        interrupt.signal.throwIfAborted()
        throw new Error(`beside ${misfit.name}: ${String(error)}`, { cause: error })
      },
    )
    neighbours.push(figures)
    const { before, during } = figures.p99Ms
    console.error(`${misfit.name}: p99 ${spreadText(before, 0)} ms, ${spreadText(during, 0)} ms`)
  }
  if (neighbours.length === 0) return neighbours
  const titles = [
    'beside',
    'misbehaved',
    'its own, dropped',
    'p50 before',
    'p50 during',
    'p99 before',
    'p99 during',
    'ratio of p99',
    'lost',
    'disordered',
  ]
  const rows = neighbours.map((figures) => [
    figures.misfit,
    String(figures.culprits),
    figures.counted || 'none',
    spreadText(figures.p50Ms.before, 0),
    spreadText(figures.p50Ms.during, 0),
    spreadText(figures.p99Ms.before, 0),
    spreadText(figures.p99Ms.during, 0),
    spreadText(figures.ratio, 1),
    String(figures.lost),
    String(figures.disordered),
  ])
  console.log(alignColumns([titles, ...rows]).join('\n'))
  return neighbours
}

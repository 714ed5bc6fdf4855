import type { Contestant } from './contestants/contestant.ts'
import type { Figures } from './measure.ts'

/** One run, and which. */
export interface Run {
  readonly rate: number
  readonly round: number
  readonly contestant: string
  readonly figures: Figures
}

/** The middle of some figures, and how far they lie apart. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** A contestant at one rate. */
export interface Row {
  readonly contestant: string
  /** Absent when no run counts. */
  readonly cpuUs?: Spread
  /** Over its reference, round by round: what the machine did meanwhile happened to both. */
  readonly ratio?: Spread
  /** Medians. */
  readonly mainUs?: number
  readonly brokerUs?: number
  readonly delivered?: number
  readonly p50Ms?: number
  readonly p99Ms?: number
  /** Runs that do not count, and why. */
  readonly refused: readonly string[]
}

/** A budget of DESIGN section 12, or of the issue, at one rate. */
export interface Verdict {
  readonly budget: string
  readonly ratio: number
  readonly limit: number
  readonly met: boolean
}

/** Puts the runs of one rate together, in the order of the contestants. */
export function summarize(runs: readonly Run[], contestants: readonly Contestant[]): Row[] {
  return contestants.map(({ name, reference }) => {
    const own = runs.filter(({ contestant }) => contestant === name)
    const refused = own
      .filter((run) => !counts(run))
      .map(({ round, figures }) => `round ${round}: ${figures.refusals.join('; ')}`)
    const figures = own.filter(counts).map((run) => run.figures)
    if (figures.length === 0) return { contestant: name, refused }
    const ratio = spread(ratios(runs, name, reference))
    const middle = (pick: (figures: Figures) => number): number =>
      spread(figures.map(pick))?.median ?? 0
    return {
      contestant: name,
      cpuUs: spread(figures.map(({ cpuUs }) => cpuUs)) as Spread,
      ...(ratio === undefined ? {} : { ratio }),
      mainUs: middle(({ mainUs }) => mainUs),
      brokerUs: middle(({ brokerUs }) => brokerUs),
      delivered: middle(({ delivered }) => delivered),
      p50Ms: middle(({ p50Ms }) => p50Ms),
      p99Ms: middle(({ p99Ms }) => p99Ms),
      refused,
    }
  })
}

/** Holds the runs of one rate against the budgets that they have figures for. */
export function judge(runs: readonly Run[], contestants: readonly Contestant[]): Verdict[] {
  const verdicts: Verdict[] = []
  const hold = (name: string, other: string, limit: number): void => {
    const ratio = spread(ratios(runs, name, other))?.median
    if (ratio === undefined) return
    verdicts.push({ budget: `${name} / ${other}`, ratio, limit, met: ratio <= limit })
  }
  for (const { name, reference } of contestants) {
    if (name.startsWith('qos0')) hold(name, 'raw0', name.startsWith('qos0-inline') ? 1.4 : 1.6)
    if (!name.startsWith('qos1')) continue
    hold(name, reference, 2.5)
    hold(name, 'mqttjs-deferred', 1)
  }
  return verdicts
}

/** @returns `undefined` for no figures. */
export function spread(figures: readonly number[]): Spread | undefined {
  if (figures.length === 0) return undefined
  const sorted = [...figures].sort((a, b) => a - b)
  const at = (i: number): number => sorted[i] ?? 0
  const middle = (sorted.length - 1) / 2
  const median = (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2
  return { median, min: at(0), max: at(sorted.length - 1) }
}

/** CPU of one contestant over that of another, in the rounds in which both count. */
function ratios(runs: readonly Run[], name: string, other: string): number[] {
  const of = (contestant: string): Run[] =>
    runs.filter((run) => run.contestant === contestant && counts(run))
  const others = of(other)
  return of(name).flatMap(({ round, figures }) => {
    const beside = others.find((run) => run.round === round)
    return beside === undefined ? [] : [figures.cpuUs / beside.figures.cpuUs]
  })
}

function counts(run: Run): boolean {
  return run.figures.refusals.length === 0
}

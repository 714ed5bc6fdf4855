import { parseArgs } from 'node:util'
import { misfits, type Misfit } from './misfits.ts'
import { readNumber } from './options.ts'

/** What was asked for on the command line. */
export interface ContainmentOptions {
  /** Runners of each kind that are ended; 0 leaves that part out. */
  readonly kills: number
  /** Those beside which a neighbour is measured. */
  readonly misfits: readonly Misfit[]
  readonly rate: number
  readonly rounds: number
  readonly seconds: number
  /** Folder of a built edgeboot. */
  readonly checkout: string
  readonly jsonFile: string | undefined
}

/** What `--help` prints. */
export const containmentHelp = `Usage: node bench/containment.ts [options]

Measures how long a model is away when its runner is ended, and what a healthy model notices of one
that misbehaves in the same edgeboot. See bench/README.md.

Misfits:
${misfits.map(({ name }) => `  ${name}`).join('\n')}

Options:
  --kills N        runners of each kind that are ended, 0 for none (12)
  --misfits LIST   which of the above, "none" for none (all)
  --rate N         messages per second of the neighbour (200)
  --rounds N       pairs of windows, before and during, beside each misfit (2)
  --seconds N      length of a window (5)
  --edgeboot PATH  folder of a built edgeboot (this one)
  --json FILE      writes the figures there, too
  --help           prints this
`

/**
 * Reads the command line.
 *
 * @returns `undefined` when help was asked for.
 * @throws Error that names the option and the value.
 */
export function readContainmentOptions(args: readonly string[]): ContainmentOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kills: { type: 'string', default: '12' },
      misfits: { type: 'string', default: misfits.map(({ name }) => name).join(',') },
      rate: { type: 'string', default: '200' },
      rounds: { type: 'string', default: '2' },
      seconds: { type: 'string', default: '5' },
      edgeboot: { type: 'string', default: `${import.meta.dirname}/..` },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  return {
    kills: readNumber('--kills', values.kills, 0, 1000),
    misfits: values.misfits === 'none' ? [] : values.misfits.split(',').map(misfit),
    rate: readNumber('--rate', values.rate, 1, 10_000),
    rounds: readNumber('--rounds', values.rounds, 1, 100),
    seconds: readNumber('--seconds', values.seconds, 1, 600),
    checkout: values.edgeboot,
    jsonFile: values.json,
  }
}

function misfit(name: string): Misfit {
  const found = misfits.find((misfit) => misfit.name === name)
  if (found !== undefined) return found
  throw new Error(`--misfits: "${name}" is none of ${misfits.map(({ name }) => name).join(', ')}`)
}

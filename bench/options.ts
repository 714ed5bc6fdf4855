import { parseArgs } from 'node:util'
import { kinds, kindTexts, type Kind } from './contestants/field.ts'

/** What was asked for on the command line. */
export interface BenchOptions {
  readonly rates: readonly number[]
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly rounds: number
  readonly contestants: readonly Kind[]
  /** Folders of edgeboot, built. */
  readonly checkouts: readonly string[]
  /** Further lines for the configuration of the broker. */
  readonly brokerLines: readonly string[]
  readonly jsonFile: string | undefined
}

const root = `${import.meta.dirname}/..`

/** What `--help` prints. */
export const helpText = `Usage: node bench/delivery.ts [options]

Measures the CPU that one message costs, from an MQTT broker through a model and back, for
edgeboot and for what it is held against, side by side. See bench/README.md.

Contestants:
${kinds.map((kind) => `  ${kind.padEnd(17)}${kindTexts[kind]}`).join('\n')}

Options:
  --rates LIST        messages per second (2000,5000,10000)
  --seconds N         length of a measured window (5)
  --warm-up N         seconds of traffic before it (3)
  --rounds N          how often each is measured, in turns (3)
  --contestants LIST  which of the above (all)
  --edgeboot PATH     folder of a built edgeboot (this one); given twice or more, each is measured
  --broker-line TEXT  a further line for mosquitto.conf, such as "set_tcp_nodelay true"; may repeat
  --json FILE         writes every single run there, too
  --help              prints this
`

/**
 * Reads the command line.
 *
 * @returns `undefined` when help was asked for.
 * @throws Error that names the option and the value.
 */
export function readOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rates: { type: 'string', default: '2000,5000,10000' },
      seconds: { type: 'string', default: '5' },
      'warm-up': { type: 'string', default: '3' },
      rounds: { type: 'string', default: '3' },
      contestants: { type: 'string', default: kinds.join(',') },
      edgeboot: { type: 'string', multiple: true, default: [root] },
      'broker-line': { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  return {
    rates: values.rates.split(',').map((text) => readNumber('--rates', text, 1, 100_000)),
    seconds: readNumber('--seconds', values.seconds, 1, 600),
    warmUpSeconds: readNumber('--warm-up', values['warm-up'], 0, 600),
    rounds: readNumber('--rounds', values.rounds, 1, 100),
    contestants: values.contestants.split(',').map(kind),
    checkouts: values.edgeboot,
    brokerLines: values['broker-line'],
    jsonFile: values.json,
  }
}

/**
 * Reads the number of an option.
 *
 * @throws Error that names the option, the text and the bounds.
 */
export function readNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= min && value <= max) return value
  throw new Error(`${option}: "${text}" is no number from ${min} to ${max}`)
}

function kind(name: string): Kind {
  const found = kinds.find((kind) => kind === name)
  if (found !== undefined) return found
  throw new Error(`--contestants: "${name}" is none of ${kinds.join(', ')}`)
}

import { parseArgs } from 'node:util'
import { readNumber } from './options.ts'
import { swapLanguages, type SwapLanguage } from './swap-models.ts'

/** What was asked for on the command line. */
export interface SwapOptions {
  readonly languages: readonly SwapLanguage[]
  readonly qos: readonly (0 | 1)[]
  readonly rate: number
  readonly swaps: number
  readonly everySeconds: number
  /** Folder of a built edgeboot. */
  readonly checkout: string
  readonly jsonFile: string | undefined
}

/** What `--help` prints. */
export const swapHelp = `Usage: node bench/swap.ts [options]

Lets version after version of a model take over while messages flow, and accounts for every message.
See bench/README.md. Exits with 5 when one was lost, came twice or out of order, or was answered by
an older version than one before it.

Options:
  --models LIST    ${swapLanguages.join(', ')} (all)
  --qos LIST       of the messages and of their results: 1, 0 (1,0)
  --rate N         messages per second (2000)
  --swaps N        versions that take over, of each model at each QoS (8)
  --every N        seconds from one request to the next, at least (4)
  --quick          2 swaps, 2 seconds apart, at QoS 1, where nothing else is given: 20 seconds
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
export function readSwapOptions(args: readonly string[]): SwapOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      models: { type: 'string', default: swapLanguages.join(',') },
      qos: { type: 'string' },
      rate: { type: 'string', default: '2000' },
      swaps: { type: 'string' },
      every: { type: 'string' },
      quick: { type: 'boolean', default: false },
      edgeboot: { type: 'string', default: `${import.meta.dirname}/..` },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const usual = values.quick
    ? { qos: '1', swaps: '2', every: '2' }
    : { qos: '1,0', swaps: '8', every: '4' }
  return {
    languages: values.models.split(',').map(language),
    qos: (values.qos ?? usual.qos).split(',').map(qosOf),
    rate: readNumber('--rate', values.rate, 1, 20_000),
    swaps: readNumber('--swaps', values.swaps ?? usual.swaps, 1, 100),
    everySeconds: readNumber('--every', values.every ?? usual.every, 1, 600),
    checkout: values.edgeboot,
    jsonFile: values.json,
  }
}

function language(name: string): SwapLanguage {
  const found = swapLanguages.find((language) => language === name)
  if (found !== undefined) return found
  throw new Error(`--models: "${name}" is none of ${swapLanguages.join(', ')}`)
}

function qosOf(text: string): 0 | 1 {
  if (text === '0') return 0
  if (text === '1') return 1
  throw new Error(`--qos: "${text}" is neither 0 nor 1`)
}

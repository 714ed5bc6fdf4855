import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { EdgebootError } from '../core/errors.ts'
import { runChaos, type ChaosListener, type ChaosOptions } from './chaos/chaos-run.ts'
import { spreadKills, troubles, victims, type Trouble, type Victim } from './chaos/fault-plan.ts'
import { isSound, renderReport } from './chaos/report.ts'
import type { CommandIo } from './command-io.ts'
import { parseCount } from './run.ts'
import { shippedExample, type ShippedExample } from './shipped-example.ts'

/** Seconds between kills when their number is not given, and how many other faults come with one. */
const secondsPerKill = 2
const troublesPerKill = 0.5
const poisonEveryDefault = 500
const undecodableEvery = 250

const help = `
Starts a Mosquitto of its own for each broker of the configuration, and edgeboot with that
configuration on them, at QoS 1. Sends messages that bear a device and a number; meanwhile kills
processes (SIGKILL), stops them for a while (SIGSTOP), restarts the broker, cuts, delays and silences
connections, fills the disk, and sends messages that are no JSON or that a model chokes on. Then it
heals everything, waits until all is in, and accounts for every message:

  sent = delivered + dead-lettered + dropped (by reason) + LOST

The real brokers, the real state folder and the running edgeboot are not touched; models run from
where they are. What they write to databases or files they write here, too.

Without --config: two models that misbehave when a message asks for it (examples/chaos).
Messages are made from the devices and points that the configuration names. What a condition asks
beyond that nobody can guess: give events that fit with --sample, one JSON file with an object, or an
array of them. Models that return nothing for an event make it "dropped: empty"; those are counted,
not followed one by one.

Needs Linux and Mosquitto (apt-get install mosquitto); filling the disk takes the right to mount.

Exit status: 0 nothing lost and nothing out of order, 5 otherwise, 1 it could not be tried.

Examples:
  edgeboot chaos                                     a minute of it, with models of its own
  edgeboot chaos --config conf/config.yaml --seconds 300 --rate 200
  edgeboot chaos --config plant.yaml --sample event.json --faults kill,cut --seed 7`

interface ChaosFlags {
  readonly config?: string
  readonly seconds: number
  readonly messages?: number
  readonly rate: number
  readonly seed?: number
  readonly kills?: number
  readonly faults: readonly ('kill' | Trouble)[]
  readonly victims: readonly Victim[]
  readonly sample?: string
  readonly poison?: string
  readonly poisonEvery: number
  readonly mosquitto?: string
  readonly json?: boolean
  readonly keep?: boolean
}

/** `edgeboot chaos`: puts the promises to the test, on the user's own configuration. */
export function addChaosCommand(program: Command, io: CommandIo): void {
  program
    .command('chaos')
    .summary('break everything on purpose, and account for every message')
    .description('Runs a configuration while everything around it fails, and accounts.')
    .option('-c, --config <file>', 'the configuration (default: examples/chaos)')
    .option('--seconds <count>', 'how long messages are sent', parseCount, 60)
    .option('--messages <count>', 'how many, instead of --seconds', parseCount)
    .option('--rate <count>', 'messages per second', parseCount, 300)
    .option('--seed <number>', 'repeats a run: the same faults on the same messages', parseCount)
    .option('--kills <count>', `SIGKILLs (default: one each ${secondsPerKill} s)`, parseCount)
    .addOption(listOption('--faults <list>', 'what may happen', ['kill', ...troubles]))
    .addOption(listOption('--victims <list>', 'what may be killed', victims))
    .option('--sample <file>', 'JSON: an event, or several, to send instead of made-up ones')
    .option('--poison <file>', 'JSON: an array of fields that make an event hard to take')
    .option('--poison-every <count>', 'one message in so many', parseCount, poisonEveryDefault)
    .option('--mosquitto <program>', 'the broker to use (default: the one on the PATH)')
    .option('--json', 'print the account as one JSON document')
    .option('--keep', 'keep logs, configuration and state of the run')
    .addHelpText('after', help)
    .action((flags: ChaosFlags) => run(flags, io))
}

async function run(flags: ChaosFlags, io: CommandIo): Promise<void> {
  const abort = new AbortController()
  const stop = (): void => abort.abort()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  const example = await shippedExample('chaos')
  try {
    const options = optionsOf(flags, io, example, abort.signal)
    const report = await runChaos(options, listenerOn(io, flags))
    io.stdout(flags.json ? `${JSON.stringify(report, undefined, 2)}\n` : renderReport(report))
    if (isSound(report)) return
    throw new EdgebootError(
      'CLI_CHAOS_LOSS',
      `${report.lost} lost, ${report.inversions} out of order, ${report.violations.length} other violations`,
      { fix: `Repeat it with --seed ${report.seed} --keep, and look into the log that is kept.` },
    )
  } finally {
    process.removeListener('SIGINT', stop)
    process.removeListener('SIGTERM', stop)
    await example.remove()
  }
}

function optionsOf(
  flags: ChaosFlags,
  io: CommandIo,
  example: ShippedExample,
  signal: AbortSignal,
): ChaosOptions {
  const isShipped = flags.config === undefined
  const poisonFile = flags.poison ?? (isShipped ? join(example.folder, 'poison.json') : undefined)
  const messages = flags.messages ?? flags.seconds * flags.rate
  const seconds = messages / flags.rate
  const mayKill = flags.faults.includes('kill')
  const kills = mayKill ? (flags.kills ?? Math.ceil(seconds / secondsPerKill)) : 0
  const wanted = troubles.filter((trouble) => flags.faults.includes(trouble))
  const others = Math.ceil((seconds / secondsPerKill) * troublesPerKill)
  return {
    config: flags.config ?? example.config,
    samples: flags.sample === undefined ? [] : readEvents(flags.sample, io),
    poison: poisonFile === undefined ? [] : readEvents(poisonFile, io),
    messages,
    perSecond: flags.rate,
    poisonEvery: flags.poisonEvery,
    undecodableEvery,
    seed: flags.seed ?? Math.floor(Math.random() * 1_000_000),
    faults: {
      kills: spreadKills(kills, flags.victims),
      troubles: Object.fromEntries(
        wanted.map((trouble, i) => [trouble, Math.ceil((others - i) / Math.max(wanted.length, 1))]),
      ),
    },
    mosquitto: flags.mosquitto,
    keepFiles: flags.keep === true,
    env: io.env,
    cwd: io.cwd,
    signal,
  }
}

/** Progress goes to standard error: standard output is for the account. */
function listenerOn(io: CommandIo, { json }: ChaosFlags): ChaosListener {
  const begun = performance.now()
  const isTerminal = process.stderr.isTTY && json !== true
  let hasLine = false
  const print = (text: string): void => {
    const seconds = ((performance.now() - begun) / 1000).toFixed(1).padStart(6)
    io.stderr(`${hasLine ? '\r\u001b[K' : ''}${seconds} s  ${text}\n`)
    hasLine = false
  }
  return {
    phase: (text) => print(text),
    note: (text) => print(text),
    fault: (fault, target) => {
      const what = fault.kind === 'kill' || fault.kind === 'stop' ? ` ${fault.victim}` : ''
      const lasts =
        fault.kind === 'kill' && fault.victim !== 'broker' ? '' : `  ${fault.lastsMs} ms`
      print(`${`${fault.kind}${what}`.padEnd(12)} ${target}${lasts}`)
    },
    progress: ({ sent, arrived, expected }) => {
      if (!isTerminal) return
      const text = `${sent} sent, ${arrived} of ${expected} results in`
      io.stderr(`\r\u001b[K          ${text}`)
      hasLine = true
    },
  }
}

function readEvents(file: string, io: CommandIo): readonly Record<string, unknown>[] {
  const invalid = (why: string): EdgebootError =>
    new EdgebootError('CLI_USAGE', `${file} holds no events: ${why}`, {
      details: { where: file },
      fix: 'Let the file hold a JSON object, or an array of objects.',
    })
  let value: unknown
  try {
    value = JSON.parse(readFileSync(resolve(io.cwd, file), 'utf8'))
  } catch (thrown) {
    throw invalid(thrown instanceof Error ? thrown.message : String(thrown))
  }
  const events: readonly unknown[] = Array.isArray(value) ? value : [value]
  const isEvent = (each: unknown): each is Record<string, unknown> =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
  if (events.length === 0) throw invalid('the array is empty')
  if (!events.every(isEvent)) throw invalid('something in it is no object')
  return events
}

function listOption(flags: string, description: string, words: readonly string[]): Option {
  return new Option(flags, `${description}: a list of ${words.join(', ')}`)
    .default(words, 'all')
    .argParser((text) => {
      const chosen = text.split(',').map((word) => word.trim())
      const wrong = chosen.find((word) => !words.includes(word))
      if (wrong !== undefined) throw new InvalidArgumentError(`Choose from ${words.join(', ')}.`)
      return chosen
    })
}

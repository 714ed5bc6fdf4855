import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { parseDurationMs } from '../../config/duration.ts'
import { systemClock } from '../../core/clock.ts'
import { describeError, EdgebootError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { LogFields, LogLevel } from '../../core/log.ts'
import type { ModelPackage } from '../../models/model-package.ts'
import { readSamples } from '../../models/read-samples.ts'
import { compareOutcome } from '../../runtime/samples/compare-outcome.ts'
import { runnerEnvironment } from '../../runtime/worker-environment.ts'
import type { CommandIo } from '../command-io.ts'
import { parseCount } from '../run.ts'
import { sizeText } from '../text-table.ts'
import { locateModel } from './locate-model.ts'
import { ModelTrial, type TrialOutcome } from './model-trial.ts'
import {
  addModelsPlaceOptions,
  findModelsPlaceOrDefaults,
  type ModelsPlaceFlags,
} from './models-place.ts'
import { openModel } from './open-model.ts'
import { readEvents } from './read-events.ts'
import { milliseconds, modelErrorText, timingText, wantedText } from './run-text.ts'

/** Of standard input, or of a file with events. */
const inputBytesMax = 256 * 1024 * 1024
/** Events whose times are kept; with more, --repeat ends early. */
const timedEventsMax = 5_000_000
/** As shells have it for a command that Ctrl-C ended. */
const interruptedExit = 130

const help = `
Loads a model as a pipeline would, with all checks, and gives it events one at a time; no broker, no
configuration. Results go to standard output, one in each line, null where there is nothing to publish.
What the model prints, and its errors with traceback, go to standard error.

Events are one JSON document (the elements of an array are the events), or one event in each line.
Without events it says what the model wants.

Exit status: 1 when the model cannot be loaded, an event failed, or a sample differs.

Examples:
  edgeboot model run my-model                            what it is, and what it wants
  echo '{"t": 188, "h": 134}' | edgeboot model run my-model --input -
  edgeboot model run model.zip --input day.ndjson > results.ndjson
  edgeboot model run my-model --samples                  the samples of tests/*.json, PASS or FAIL
  edgeboot model run my-model --input day.ndjson --repeat 100      how fast it is`

interface RunFlags extends ModelsPlaceFlags {
  readonly input?: string
  readonly samples?: boolean
  readonly repeat?: number
  readonly params?: Record<string, unknown>
  readonly python?: string
  readonly timeout?: number
}

/** Adds `edgeboot model run`. */
export function addTrialCommand(model: Command, io: CommandIo): void {
  const command = model
    .command('run')
    .summary('try a model on this machine, without a broker')
    .description('Loads a model in its real runner and gives it events, or its own samples.')
    .argument('<package>', 'a folder, a zip, or the name of a model')
    .option('-i, --input <file>', 'events; - is standard input')
    .option('--samples', 'run the samples of the package and compare the results')
    .option('--repeat <count>', 'give all events as often, and say how long it took', parseCount)
    .option('--params <json>', 'parameters, over those of its manifest', parseParams)
    .option('--python <interpreter>', 'the Python of a Python model: a path, or a name on the PATH')
    .option(
      '--timeout <time>',
      'for one event (default: that of its manifest, else 10s)',
      parseTimeout,
    )
    .addHelpText('after', help)
  addModelsPlaceOptions(command).action((named: string, flags: RunFlags) => run(named, flags, io))
}

async function run(named: string, flags: RunFlags, io: CommandIo): Promise<void> {
  if (flags.samples === true && (flags.input !== undefined || flags.repeat !== undefined)) {
    throw new EdgebootError('CLI_USAGE', '--samples brings its own events and runs them once')
  }
  if (flags.repeat !== undefined && flags.input === undefined) {
    throw new EdgebootError('CLI_USAGE', '--repeat needs events', { fix: 'Add --input FILE.' })
  }
  // Before the model is loaded: a mistake in a file should not cost that time.
  const events = flags.input === undefined ? undefined : await eventsOf(flags.input, io)
  const { models } = findModelsPlaceOrDefaults(flags, io)
  const path = await locateModel(named, models.folder, io.cwd)
  await using opened = await openModel(path, models)
  const { model } = opened
  const trial = new ModelTrial(trialOptions(model, flags, io))
  // A zip lies in a temporary folder: that is removed before the process ends.
  const interrupt = (): void => {
    io.exit(interruptedExit)
    trial.end()
  }
  process.once('SIGINT', interrupt)
  const before = performance.now()
  try {
    const { engine } = await trial.start()
    const loadMs = performance.now() - before
    if (flags.samples === true) await runSamples(model, trial, io)
    else if (events !== undefined) await runEvents(events, trial, { ...flags, loadMs }, io)
    else {
      const samples = await readSamples(model)
      io.stdout(wantedText(model, named, { engine, loadMs, samples }))
    }
  } catch (thrown) {
    if (!trial.isEnded) throw thrown
  } finally {
    process.removeListener('SIGINT', interrupt)
    await trial.stop()
  }
}

function trialOptions(
  model: ModelPackage,
  flags: RunFlags,
  io: CommandIo,
): ConstructorParameters<typeof ModelTrial>[0] {
  const { manifest } = model
  const python = flags.python ?? manifest?.python
  const memory = manifest?.memoryBytesMax
  return {
    model,
    params: { ...manifest?.params, ...flags.params },
    env: runnerEnvironment(io.env, manifest?.env),
    ...(python === undefined ? {} : { python }),
    timeoutMs: flags.timeout ?? manifest?.timeoutMs ?? limits.eventMs,
    ...(memory === undefined ? {} : { memoryBytesMax: memory }),
    clock: systemClock,
    log: (level, event, fields) => io.stderr(`${printedText(level, event, fields)}\n`),
    outgrew: (bytes) => {
      io.stderr(`warning: the model holds ${sizeText(bytes)}: a pipeline would replace it now\n`)
    },
  }
}

/** What a model prints as it is, what it logs with its level. */
function printedText(level: LogLevel, event: string, fields: LogFields): string {
  const { line, message, ...rest } = fields
  if (event === 'model.print' && typeof line === 'string') return `model: ${line}`
  const said = typeof message === 'string' ? message : event
  const more = Object.keys(rest).length > 0 ? ` ${JSON.stringify(rest)}` : ''
  return `model ${level}: ${said}${more}`
}

async function eventsOf(input: string, io: CommandIo): Promise<readonly string[]> {
  if (input === '-') {
    const bytes = (await io.stdin?.(inputBytesMax + 1)) ?? Buffer.alloc(0)
    if (bytes.byteLength > inputBytesMax) throw tooMuch('standard input')
    return readEvents(bytes, 'standard input')
  }
  let bytes: Buffer
  try {
    bytes = await readFile(resolve(io.cwd, input))
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no' : 'cannot read'
    throw new EdgebootError('CLI_USAGE', `${why} ${input}`, {
      cause,
      fix: 'Name a file with events after --input.',
    })
  }
  if (bytes.byteLength > inputBytesMax) throw tooMuch(input)
  return readEvents(bytes, input)
}

function tooMuch(where: string): EdgebootError {
  return new EdgebootError('CLI_USAGE', `${where} has more than ${inputBytesMax} bytes`, {
    fix: 'Give the events in several parts.',
  })
}

async function runEvents(
  events: readonly string[],
  trial: ModelTrial,
  { repeat, loadMs }: RunFlags & { readonly loadMs: number },
  io: CommandIo,
): Promise<void> {
  const encoded = events.map((event) => Buffer.from(event))
  const eventsMs: number[] = []
  let failed = 0
  const begin = performance.now()
  for (let round = 0; round < (repeat ?? 1); round++) {
    for (const [index, event] of encoded.entries()) {
      if (eventsMs.length >= timedEventsMax) break
      const before = performance.now()
      const outcome = await trial.ask(event)
      if (trial.isEnded) return
      eventsMs.push(performance.now() - before)
      const isFailed = outcome.kind === 'error' || outcome.kind === 'lost'
      if (isFailed) failed += 1
      // What the model answers again and again is shown once.
      if (round === 0) show(outcome, `event ${index + 1}`, io)
    }
  }
  const totalMs = performance.now() - begin
  if (repeat !== undefined) io.stderr(`${timingText({ loadMs, totalMs, eventsMs })}\n`)
  if (failed === 0) return
  io.stderr(`${failed} of ${eventsMs.length} events failed\n`)
  io.exit(1)
}

function show(outcome: TrialOutcome, place: string, io: CommandIo): void {
  switch (outcome.kind) {
    case 'value':
      return io.stdout(`${new TextDecoder().decode(outcome.payload)}\n`)
    case 'empty':
      return io.stdout('null\n')
    case 'error':
      return io.stderr(`${place}: ${modelErrorText(outcome.error)}\n`)
    case 'lost':
      return io.stderr(`${place}: ${lostText(outcome.error)}\n`)
  }
}

function lostText(error: EdgebootError): string {
  const { stack } = error.details
  const text = describeError(error).replace(/^error: /, '')
  return typeof stack === 'string' ? `${text}\n${stack.trimEnd().replaceAll(/^/gm, '  ')}` : text
}

async function runSamples(model: ModelPackage, trial: ModelTrial, io: CommandIo): Promise<void> {
  const samples = await readSamples(model)
  if (samples.length === 0) {
    throw new EdgebootError('MODEL_SAMPLES_INVALID', `model "${model.name}" has no samples`, {
      fix: 'Write tests/samples.json: [{ "event": { … }, "expect": { … } }]',
    })
  }
  let failed = 0
  for (const sample of samples) {
    const before = performance.now()
    const outcome = await trial.ask(Buffer.from(sample.event), sample.context)
    if (trial.isEnded) return
    const took = milliseconds(performance.now() - before)
    const difference =
      outcome.kind === 'lost'
        ? `${sample.label}: ${lostText(outcome.error)}`
        : compareOutcome(sample, outcome)
    if (difference === undefined) {
      io.stdout(`PASS  ${sample.label}  ${took}\n`)
      continue
    }
    failed += 1
    io.stdout(`FAIL  ${difference}\n`)
    if (outcome.kind === 'error') io.stderr(`${modelErrorText(outcome.error)}\n`)
  }
  io.stdout(`\n${samples.length} samples: ${samples.length - failed} passed, ${failed} failed\n`)
  if (failed > 0) io.exit(1)
}

function parseParams(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>
    }
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('Give a JSON object, such as \'{"limit": 80}\'.')
}

function parseTimeout(text: string): number {
  const ms = parseDurationMs(text)
  if (ms === undefined || ms === 0) throw new InvalidArgumentError('Give a time such as 10s or 2m.')
  return ms
}

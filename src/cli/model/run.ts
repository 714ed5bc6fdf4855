import type { Command } from 'commander'
import { systemClock } from '../../core/clock.ts'
import { describeError, EdgebootError } from '../../core/errors.ts'
import { createLogger } from '../../core/log.ts'
import { effectiveSettings } from '../../host/effective-settings.ts'
import type { ModelPackage } from '../../models/model-package.ts'
import { readSamples } from '../../models/read-samples.ts'
import { compareOutcome } from '../../runtime/samples/compare-outcome.ts'
import { runnerEnvironment } from '../../runtime/worker-environment.ts'
import type { CommandIo } from '../command-io.ts'
import { escapedText } from '../escaped-text.ts'
import { parseCount } from '../run.ts'
import { sizeText } from '../text-table.ts'
import { Interruption } from './interruption.ts'
import { locateModel } from './locate-model.ts'
import { ModelTrial, type TrialOutcome } from './model-trial.ts'
import {
  addModelsPlaceOptions,
  findModelsPlaceOrDefaults,
  type ModelsPlaceFlags,
} from './models-place.ts'
import { openModel } from './open-model.ts'
import { parseParams, parseTimeout } from './flag-values.ts'
import { readEventsOf } from './read-events-of.ts'
import { printedText, stepText } from './trial-log.ts'
import { milliseconds, modelErrorText, timingText, wantedText } from './run-text.ts'

/** Events whose times are kept; with more, --repeat ends early. */
const timedEventsMax = 5_000_000

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
  const events = flags.input === undefined ? undefined : await readEventsOf(flags.input, io)
  const { models } = findModelsPlaceOrDefaults(flags, io)
  const path = await locateModel(named, models.folder, io.cwd)
  using interruption = new Interruption((code) => io.exit(code))
  const { signal } = interruption
  try {
    await using opened = await openModel(path, {
      models,
      ...(flags.python === undefined ? {} : { python: flags.python }),
      environment: io.env,
      log: createLogger((level, event, fields) => {
        const text = stepText(level, event, fields)
        if (text !== undefined) io.stderr(`${text}\n`)
      }, 'info'),
      onStep: (line) => io.stderr(`  ${escapedText(line)}\n`),
      signal,
    })
    await tryModel(opened.model, { named, flags, events, signal }, io)
  } catch (thrown) {
    if (!signal.aborted) throw thrown
  }
}

interface Wanted {
  readonly named: string
  readonly flags: RunFlags
  readonly events: readonly string[] | undefined
  readonly signal: AbortSignal
}

async function tryModel(
  model: ModelPackage,
  { named, flags, events, signal }: Wanted,
  io: CommandIo,
): Promise<void> {
  const trial = new ModelTrial(trialOptions(model, flags, io))
  signal.throwIfAborted()
  signal.addEventListener('abort', () => trial.end(), { once: true })
  const before = performance.now()
  try {
    const ready = await trial.start()
    const loadMs = performance.now() - before
    if (flags.samples === true) await runSamples(model, trial, io)
    else if (events !== undefined) await runEvents(events, trial, { ...flags, loadMs }, io)
    else
      io.stdout(wantedText(model, named, { ...ready, loadMs, samples: await readSamples(model) }))
  } finally {
    await trial.stop()
  }
}

function trialOptions(
  model: ModelPackage,
  flags: RunFlags,
  io: CommandIo,
): ConstructorParameters<typeof ModelTrial>[0] {
  const wishes = {
    batch: {},
    params: flags.params ?? {},
    env: {},
    ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout }),
  }
  const { params, env, timeoutMs, memoryBytesMax } = effectiveSettings(wishes, model)
  return {
    model,
    params,
    env: runnerEnvironment(io.env, env),
    ...(flags.python === undefined ? {} : { python: flags.python }),
    timeoutMs,
    ...(memoryBytesMax === undefined ? {} : { memoryBytesMax }),
    clock: systemClock,
    log: (level, event, fields) => io.stderr(`${printedText(level, event, fields)}\n`),
    outgrew: (bytes) => {
      io.stderr(`warning: the model holds ${sizeText(bytes)}: a pipeline would replace it now\n`)
    },
  }
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

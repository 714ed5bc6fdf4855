/**
 * What is left of onnxruntime when edgeboot is around it: events per second through a pipeline, from
 * a source in memory through the runner process and back, against a bare loop of `session.run` on
 * the same batch in a process of its own. See bench/README.md.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { systemClock } from '../src/core/clock.ts'
import { createLogger } from '../src/core/log.ts'
import { Pipeline } from '../src/pipeline/pipeline.ts'
import { RunnerPool } from '../src/pipeline/runner-pool.ts'
import { createRunner } from '../src/runtime/create-runner.ts'
import { MemorySource } from '../src/transport/memory-source.ts'
import type { PublishOutcome, Sink, SinkListener, SinkMessage } from '../src/transport/transport.ts'
import { machine } from './machine.ts'
import { type BenchModel, benchModels } from './onnx-models.ts'
import type { Spread } from './summary.ts'
import { alignColumns, spreadText } from './table.ts'

const helpText = `Usage: node bench/onnx.ts [--rounds 5] [--seconds 3] [--batch 32] [--models tiny,press,network,signal]
`
/** Batches that are on their way: two with the runner, and what the next ones are made of. */
const batchesAhead = 4
const warmUpMs = 1_500

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    batch: { type: 'string', default: '32' },
    models: { type: 'string', default: Object.keys(benchModels).join(',') },
    help: { type: 'boolean', default: false },
  },
})
const batch = Number(values.batch)
const run = promisify(execFile)

async function compareAll(): Promise<void> {
  process.stdout.write(`${machine()}; batches of ${batch}, ${values.rounds} rounds\n\n`)
  const rows = [['model', 'session.run ms/batch', 'loop events/s', 'pipeline events/s', 'ratio']]
  for (const name of values.models.split(',')) {
    const model = benchModels[name]
    if (model === undefined) throw new Error(`no model "${name}"`)
    rows.push([model.title, ...(await compare(name, model))])
  }
  process.stdout.write(`${alignColumns(rows).join('\n')}\n`)
}

async function compare(name: string, model: BenchModel): Promise<string[]> {
  const pairs: { loop: number; pipeline: number }[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    pairs.push({ loop: await bareLoop(name), pipeline: await throughPipeline(model) })
  }
  const loops = pairs.map(({ loop }) => loop)
  const { median } = spreadOf(loops)
  return [
    ((batch / median) * 1_000).toFixed(3),
    spreadText(spreadOf(loops), 0),
    spreadText(spreadOf(pairs.map(({ pipeline }) => pipeline)), 0),
    spreadText(spreadOf(pairs.map(({ loop, pipeline }) => pipeline / loop)), 2),
  ]
}

async function bareLoop(name: string): Promise<number> {
  const file = join(import.meta.dirname, 'onnx-loop.ts')
  const { stdout } = await run(process.execPath, [file, name, String(batch), values.seconds])
  return Number(stdout)
}

async function throughPipeline(model: BenchModel): Promise<number> {
  const source = new MemorySource()
  const sink = new CountingSink()
  const pipeline = createPipeline(model, source, sink)
  await pipeline.start()
  const payloads = Array.from({ length: 1_000 }, (_, at) => Buffer.from(model.event(at)))
  let given = 0
  const feed = (): void => {
    while (given - sink.published < batchesAhead * batch) {
      source.deliver(`plant/d${given % 500}`, payloads[given++ % payloads.length] ?? '')
    }
  }
  sink.onTurn = feed
  feed()
  await wait(warmUpMs)
  const [before, start] = [sink.published, performance.now()]
  await wait(Number(values.seconds) * 1_000)
  const perSecond = ((sink.published - before) / (performance.now() - start)) * 1_000
  sink.onTurn = () => {}
  await pipeline.stop(5_000)
  if (sink.published === 0) throw new Error('nothing came out')
  return perSecond
}

/** Publishes at once, and counts. */
class CountingSink implements Sink {
  published = 0
  readonly pending = 0
  readonly spooled = 0
  /** Called in the turn after results came. */
  onTurn: () => void = () => {}
  #isDue = false

  start(listener: SinkListener): Promise<void> {
    listener.state({ status: 'connected', protocol: 'memory' })
    return Promise.resolve()
  }

  publish(_message: SinkMessage, settled: (outcome: PublishOutcome) => void): void {
    this.published += 1
    settled('published')
    if (this.#isDue) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      this.onTurn()
    })
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

function createPipeline(model: BenchModel, source: MemorySource, sink: Sink): Pipeline {
  const log = createLogger((level, event, fields) => {
    process.stderr.write(`${level} ${event} ${JSON.stringify(fields)}\n`)
  }, 'warn')
  const clock = systemClock
  const spec = { pipeline: 'bench', rule: 'bench', model: model.package, params: {}, env: {} }
  return new Pipeline(
    {
      source,
      sink,
      matcher: { devices: [] },
      createPool: (callbacks) =>
        new RunnerPool({
          size: 1,
          release: {
            version: model.package.version,
            create: (_index, listener) => createRunner(spec, listener, { clock }),
          },
          clock,
          random: Math.random,
          log,
          ...callbacks,
        }),
      resultTopic: (topic) => `out/${topic}`,
      resultProperties: { shared: () => ({}), own: () => ({}) },
      identify: ({ topic }) => topic,
      recorder: undefined,
      deadLetters: {
        origin: { rule: 'bench', func: 'bench', model: model.package.name },
        newId: () => '',
        random: Math.random,
      },
      clock,
      log,
      defer: (callback) => void setImmediate(callback),
      probationDecided: () => {},
      changed: () => {},
    },
    {
      orderBy: 'device',
      queue: { size: 1_000, whenFull: 'drop-oldest' },
      holdsBack: false,
      batch: { size: batch, delayMs: 0 },
      probation: undefined,
      timeoutMs: 10_000,
      attempts: 3,
      sharesHost: false,
      retained: true,
    },
  )
}

function wait(delayMs: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, delayMs))
}

function spreadOf(figures: readonly number[]): Spread {
  const sorted = figures.toSorted((one, other) => one - other)
  const [min = 0] = sorted
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0
  return { median, min, max: sorted.at(-1) ?? 0 }
}

if (values.help) process.stdout.write(helpText)
else await compareAll()

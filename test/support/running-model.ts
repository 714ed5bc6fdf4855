import { realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Clock, systemClock } from '../../src/core/clock.ts'
import type { EdgebootError } from '../../src/core/errors.ts'
import type { LogFields, LogLevel } from '../../src/core/log.ts'
import type { ModelFormat, ModelPackage, RuntimeKind } from '../../src/models/model-package.ts'
import type { ModelManifest } from '../../src/models/model-manifest.ts'
import { createRunner } from '../../src/runtime/create-runner.ts'
import { createNodeRunner } from '../../src/runtime/node-runner.ts'
import type { InferOutcome, Runner, RunnerReady, RunnerSpec } from '../../src/runtime/runner.ts'
import { runnerEnvironment } from '../../src/runtime/worker-environment.ts'
import type { RecordedLine } from './recorded-log.ts'
import { Scratch } from './scratch.ts'

/** What a test may say of the model that it runs. */
export interface ModelUnderTest {
  readonly runtime: RuntimeKind
  /** Default: code with a handler. */
  readonly format?: ModelFormat
  readonly manifest?: ModelManifest
  /** Absolute folder of the model. */
  readonly folder: string
  /** Name of the entry file in it. */
  readonly entry: string
  readonly name?: string
  readonly functionName?: string
  readonly modelsFolder?: string
  readonly python?: string
  readonly inline?: boolean
  /** Runs in a Node of its own, whatever its runtime. */
  readonly inNode?: boolean
  readonly params?: Record<string, unknown>
  readonly env?: Record<string, string>
  readonly clock?: Clock
  readonly startMs?: number
  readonly memoryBytesMax?: number
}

/** What became of a batch. */
export interface BatchAnswer {
  readonly outcomes: readonly InferOutcome[]
  /** Sizes of the pieces in which they came. */
  readonly pieces: readonly number[]
  readonly lost?: EdgebootError
  /** Index of the event that it was lost on, where the runner left word of it. */
  readonly lostOn?: number
}

/** Spec of a runner for a model under test. */
export function specOf(model: ModelUnderTest): RunnerSpec {
  const modelPackage: ModelPackage = {
    name: model.name ?? 'told',
    version: 'folder',
    runtime: model.runtime,
    format: model.format ?? 'module',
    folder: model.folder,
    entryFile: join(model.folder, model.entry),
    modelsFolder: model.modelsFolder ?? dirname(model.folder),
    ...(model.functionName === undefined ? {} : { functionName: model.functionName }),
    ...(model.manifest === undefined ? {} : { manifest: model.manifest }),
  }
  return {
    pipeline: 'sub_process_b1_told_0',
    rule: 'b1',
    model: modelPackage,
    params: model.params ?? { limit: 80 },
    env: runnerEnvironment({ PATH: process.env['PATH'] }, model.env),
    ...(model.python === undefined ? {} : { python: model.python }),
    ...(model.memoryBytesMax === undefined ? {} : { memoryBytesMax: model.memoryBytesMax }),
  }
}

/** A runner with everything that it says. */
export class RunningModel {
  readonly runner: Runner
  readonly lines: RecordedLine[] = []
  readonly exits: EdgebootError[] = []
  /** What it held when it said that it holds too much. */
  readonly outgrown: number[] = []
  /** How many events were answered, in all batches. */
  outcomes = 0
  /** The first time that the runner said that it is gone. */
  readonly exited: Promise<EdgebootError>

  constructor(model: ModelUnderTest) {
    const exited = Promise.withResolvers<EdgebootError>()
    this.exited = exited.promise
    const options = {
      clock: model.clock ?? systemClock,
      ...(model.inline === undefined ? {} : { inline: model.inline }),
      ...(model.startMs === undefined ? {} : { startMs: model.startMs }),
    }
    const listener = {
      log: (level: LogLevel, event: string, fields: LogFields) =>
        void this.lines.push({ level, event, fields }),
      exited: (error: EdgebootError) => {
        this.exits.push(error)
        exited.resolve(error)
      },
      outgrew: (bytes: number) => {
        this.outgrown.push(bytes)
      },
    }
    const create = model.inNode === true ? createNodeRunner : createRunner
    this.runner = create(specOf(model), listener, options)
  }

  start(): Promise<RunnerReady> {
    return this.runner.start()
  }

  /** Gives it a batch; resolves when every event has its outcome, or when it was lost. */
  infer(events: readonly unknown[], contexts: readonly object[] = []): Promise<BatchAnswer> {
    const items = events.map((event, i) => ({
      event: event instanceof Uint8Array ? event : Buffer.from(JSON.stringify(event)),
      context: Buffer.from(JSON.stringify(contexts[i] ?? { topic: 't', qos: 0 })),
    }))
    const answered = (count: number): void => void (this.outcomes += count)
    return new Promise((resolve) => {
      const outcomes: InferOutcome[] = []
      const pieces: number[] = []
      this.runner.infer(items, {
        outcomes(first, piece) {
          if (first !== outcomes.length) throw new Error(`a gap at ${outcomes.length}`)
          outcomes.push(...piece)
          answered(piece.length)
          pieces.push(piece.length)
          if (outcomes.length === items.length) resolve({ outcomes, pieces })
        },
        lost: (lost, lostOn) => {
          resolve({ outcomes, pieces, lost, ...(lostOn === undefined ? {} : { lostOn }) })
        },
      })
    })
  }

  stop(): Promise<void> {
    return this.runner.stop(5_000)
  }

  printed(stream: 'stdout' | 'stderr'): unknown[] {
    const prints = this.lines.filter((line) => line.event === 'model.print')
    return prints.filter(({ fields }) => fields['stream'] === stream).map((x) => x.fields['line'])
  }
}

/**
 * Writes a model into a temporary folder of its own, runs `use`, and removes it.
 *
 * @param files - Texts by path in the folder.
 */
export async function withModelFolder<T>(
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  await using scratch = await Scratch.make()
  for (const [path, text] of Object.entries(files)) await scratch.write(join('told', path), text)
  return await use(join(await realpath(scratch.folder), 'told'))
}

/** The text that an outcome would publish. */
export function published(outcome: InferOutcome | undefined): string {
  if (outcome?.kind !== 'value') throw new Error(`not a value: ${JSON.stringify(outcome)}`)
  return Buffer.from(outcome.payload).toString()
}

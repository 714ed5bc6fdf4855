import { compareOutcome } from '../../../runtime/samples/compare-outcome.ts'
import {
  toleranceDefault,
  type Expectation,
  type ModelSample,
} from '../../../models/model-sample.ts'
import type { InferItem, InferOutcome } from '../../../runtime/runner.ts'
import { Breach } from './breach.ts'
import { Subject, type SubjectOptions } from './subject.ts'

/** As many as a pipeline gives at once, and enough for every mistake with counts. */
export const batchItems = 64
const shownCharsMax = 60

/** What a program answers to each event alone. */
interface Alone {
  readonly outcomes: readonly InferOutcome[]
  /** How many of them differ from each other. */
  readonly different: number
}

/** Starts the program anew for each check, and gives it events. */
export class Bench {
  readonly #options: SubjectOptions
  readonly #items: readonly InferItem[]
  #alone: Promise<Alone> | undefined
  /** The one that runs. */
  #subject: Subject | undefined
  /** Whether {@link Bench.end} was called. */
  isEnded = false

  /** @param events - JSON texts; with none, events that are told apart by their numbers. */
  constructor(options: SubjectOptions, events: readonly string[]) {
    this.#options = options
    const own =
      events.length > 0 ? events : Array.from({ length: batchItems }, (_, i) => numbered(i))
    const whole = Array.from({ length: batchItems }, (_, i) => own[i % own.length] ?? '')
    this.#items = whole.map((event) => itemOf(event))
  }

  /** The first events, each with a context. */
  items(count: number): readonly InferItem[] {
    return this.#items.slice(0, count)
  }

  /** The program, started and ready. @throws Breach */
  async start(more?: Readonly<Record<string, unknown>>): Promise<Subject> {
    if (this.isEnded) throw new Breach('it was interrupted')
    const subject = new Subject(this.#options)
    this.#subject = subject
    try {
      await subject.start(more)
      return subject
    } catch (thrown) {
      await subject[Symbol.asyncDispose]()
      throw thrown
    }
  }

  /** Kills what runs, and starts nothing more. */
  end(): void {
    this.isEnded = true
    this.#subject?.kill()
  }

  /** What it answers to every event when each is a batch of its own. */
  alone(): Promise<Alone> {
    return (this.#alone ??= this.#askAlone())
  }

  /**
   * The first difference between answers to a batch and those to each event alone, in words. None is
   * looked for in a program that answers the same events differently each time: `isSteady` tells.
   */
  async compare(
    outcomes: readonly InferOutcome[],
  ): Promise<{ readonly difference?: string; readonly isSteady: boolean }> {
    const alone = await this.alone()
    const difference = differenceOf(alone.outcomes, outcomes)
    if (difference === undefined) return { isSteady: true }
    const again = await this.#askAlone()
    if (differenceOf(alone.outcomes, again.outcomes) !== undefined) return { isSteady: false }
    return { difference, isSteady: true }
  }

  async #askAlone(): Promise<Alone> {
    await using subject = await this.start()
    const outcomes: InferOutcome[] = []
    for (const item of this.#items) outcomes.push(...(await subject.ask([item])))
    return { outcomes, different: new Set(outcomes.map(outcomeKey)).size }
  }
}

/** An event with the context of a message; `more` are further keys of that. */
export function itemOf(event: string, more: Readonly<Record<string, unknown>> = {}): InferItem {
  const context = {
    topic: 'conformance/device-1',
    device: 'device-1',
    qos: 1,
    retain: false,
    receivedAt: 1_790_000_000_000,
    deadline: 1_790_000_010_000,
    ...more,
  }
  return { event: Buffer.from(event), context: Buffer.from(JSON.stringify(context)) }
}

/** An outcome in a few words. */
export function outcomeText(outcome: InferOutcome | undefined): string {
  if (outcome === undefined) return 'no answer'
  if (outcome.kind === 'empty') return 'nothing'
  const { kind } = outcome
  const text = kind === 'error' ? outcomeKey(outcome) : Buffer.from(outcome.payload).toString()
  return text.length > shownCharsMax ? `${text.slice(0, shownCharsMax - 1)}…` : text
}

function numbered(index: number): string {
  return JSON.stringify({ index, value: 20 + index / 4, text: `event ${index}` })
}

/** The same for outcomes that say the same; a traceback is not compared. */
function outcomeKey(outcome: InferOutcome): string {
  if (outcome.kind === 'value') return `value ${Buffer.from(outcome.payload).toString('base64')}`
  return outcome.kind === 'empty' ? '' : `${outcome.error.type}: ${outcome.error.message}`
}

function differenceOf(
  alone: readonly InferOutcome[],
  together: readonly InferOutcome[],
): string | undefined {
  for (const [index, expected] of alone.entries()) {
    const outcome = together[index]
    if (outcome !== undefined && !isAlike(expected, outcome)) {
      const place = `event ${index + 1} of ${together.length}`
      return `${place} was answered ${outcomeText(outcome)}, and alone ${outcomeText(expected)}`
    }
  }
  return undefined
}

/** As samples are compared: a batch may round its numbers otherwise than an event alone. */
function isAlike(expected: InferOutcome, outcome: InferOutcome): boolean {
  if (outcomeKey(expected) === outcomeKey(outcome)) return true
  if (expected.kind !== 'value' || outcome.kind !== 'value') return false
  const sample = sampleOf(expected.payload)
  return sample !== undefined && compareOutcome(sample, outcome) === undefined
}

function sampleOf(payload: Uint8Array): ModelSample | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(payload).toString())
    const expected: Expectation = { kind: 'result', value }
    return { label: '', event: '', context: {}, expected, tolerance: toleranceDefault }
  } catch {
    return undefined
  }
}

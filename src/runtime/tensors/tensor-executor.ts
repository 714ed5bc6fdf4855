import { parseExactJson } from '../../core/exact-json.ts'
import type { ExecutorOptions, ModelExecutor } from '../model-executor.ts'
import { describeModelError } from '../model-failure.ts'
import { ModelLoadError } from '../model-module.ts'
import { OutcomeStretch } from '../outcome-stretch.ts'
import type { ProgressMark } from '../progress-mark.ts'
import type { InferItem, InferOutcome } from '../runner.ts'
import { bindInputs, eventsPerRun } from './bind-inputs.ts'
import { bindOutputs } from './bind-outputs.ts'
import { InputColumn, type Refusal, runElementsMax } from './input-column.ts'
import { signatureText } from './model-signature.ts'
import { ResultWriter } from './result-writer.ts'
import type { Tensor, TensorModel } from './tensor.ts'

/**
 * Makes an executor of a numeric model: events become tensors, tensors become results.
 *
 * A batch is one run, of those of its events that are valid. A model with room for exactly N events
 * is run N at a time, the last time filled up with copies of an event; one without a dimension for
 * the batch, or whose inputs have another shape with every event, event by event. When a run throws,
 * its events are run again one by one, so that only the culprit fails.
 *
 * @throws ModelLoadError for a manifest that does not fit the model, which is closed then.
 */
export async function createTensorExecutor(
  model: TensorModel,
  options: ExecutorOptions,
): Promise<ModelExecutor> {
  try {
    return new TensorExecutor(model, options)
  } catch (thrown) {
    await model.close()
    throw thrown
  }
}

const inexact = {
  type: 'InvalidInput',
  message: 'an integer beyond 2^53 is written with an exponent or a fraction',
}

/** Events of a batch that are tensors already, from where the ones before ended. */
interface Filled {
  readonly columns: readonly InputColumn[]
  /** Indices of the events that the columns hold. */
  readonly rows: readonly number[]
  readonly refused: readonly (readonly [index: number, outcome: InferOutcome])[]
  /** The first event that is neither. */
  readonly next: number
}

class TensorExecutor implements ModelExecutor {
  readonly engine: string
  readonly signature: string
  readonly #model: TensorModel
  readonly #folder: string
  /** Two sets: one is filled while the model reads from the other. */
  readonly #columnSets: [readonly InputColumn[], readonly InputColumn[]]
  readonly #results: ResultWriter
  readonly #wanted: readonly string[]
  /** Events that one run has room for. */
  readonly #room: number
  /** No run is given fewer: it is filled up. */
  readonly #roomMin: number
  /** An output turned out to be of all events together. */
  #isUnbatched: boolean
  /** The batch that is next, as far as it is prepared. */
  #ahead: { readonly items: readonly InferItem[]; readonly filled: Filled } | undefined

  constructor(
    model: TensorModel,
    { model: { manifest, folder, entryFile }, resultBytesMax }: ExecutorOptions,
  ) {
    this.engine = model.engine
    this.signature = signatureText(model)
    this.#model = model
    this.#folder = folder
    const inputs = bindInputs(model, manifest)
    const events = eventsPerRun(model, inputs)
    const outputs = bindOutputs(model, manifest, events)
    if (inputs.length === 0 || outputs.length === 0) {
      const message = `${entryFile} cannot be asked. ${signatureText(model)}`
      throw new ModelLoadError({ kind: 'file', message, where: entryFile })
    }
    const columns = (): readonly InputColumn[] => inputs.map((binding) => new InputColumn(binding))
    this.#columnSets = [columns(), columns()]
    this.#results = new ResultWriter(outputs, resultBytesMax)
    this.#wanted = outputs.map(({ name }) => name)
    const largest = Math.max(1, ...this.#columnSets[0].map(({ elements }) => elements))
    if (largest * (events === Infinity ? 1 : events) > runElementsMax) {
      const message = `${entryFile} takes more than ${runElementsMax} elements at once. ${signatureText(model)}`
      throw new ModelLoadError({ kind: 'file', message, where: entryFile })
    }
    const most = Math.max(1, Math.floor(runElementsMax / largest))
    this.#room = events === Infinity ? most : events
    this.#roomMin = events === Infinity ? 1 : events
    this.#isUnbatched = outputs.some(({ isUnbatched }) => isUnbatched)
  }

  prepare(items: readonly InferItem[]): void {
    this.#ahead ??= { items, filled: this.#fill(this.#columnSets[1], items, 0) }
  }

  async execute(
    items: readonly InferItem[],
    mark: ProgressMark,
    emit: (first: number, outcomes: readonly InferOutcome[]) => void,
  ): Promise<void> {
    const answers = new OutcomeStretch(items.length, emit)
    let filled = this.#takeAhead(items) ?? this.#fill(this.#columnSets[0], items, 0)
    for (;;) {
      for (const [index, outcome] of filled.refused) answers.set(index, outcome)
      if (filled.rows.length > 0) await this.#answer(items, filled, mark, answers)
      if (filled.next === items.length) break
      answers.flushIfDue()
      filled = this.#fill(filled.columns, items, filled.next)
    }
    answers.end()
  }

  close(): Promise<void> {
    return this.#model.close()
  }

  #takeAhead(items: readonly InferItem[]): Filled | undefined {
    if (this.#ahead?.items !== items) return undefined
    const { filled } = this.#ahead
    this.#ahead = undefined
    this.#columnSets.reverse()
    return filled
  }

  /** Puts events into columns, from one on, until there is no room or none is left. */
  #fill(columns: readonly InputColumn[], items: readonly InferItem[], first: number): Filled {
    const room = this.#isUnbatched ? 1 : Math.min(this.#room, items.length)
    for (const column of columns) column.reserve(Math.max(room, this.#roomMin))
    const rows: number[] = []
    const refused: [number, InferOutcome][] = []
    let next = first
    for (; next < items.length && rows.length < room; next++) {
      const outcome = take(columns, items[next], rows.length)
      if (outcome === undefined) rows.push(next)
      else refused.push([next, outcome])
    }
    return { columns, rows, refused, next }
  }

  async #answer(
    items: readonly InferItem[],
    { columns, rows }: Filled,
    mark: ProgressMark,
    answers: OutcomeStretch,
  ): Promise<void> {
    const [only = 0] = rows
    if (rows.length === 1) {
      mark.begin(only)
      answers.set(only, await this.#single(columns))
      return
    }
    try {
      if (await this.#run(columns, rows.length)) {
        for (let row = 0; row < rows.length; row++) {
          answers.set(rows[row] ?? 0, this.#results.outcome(row))
        }
        return
      }
      this.#isUnbatched = true
    } catch {
      // Asked one by one they will say which of them it was.
    }
    for (const index of rows) {
      mark.begin(index)
      const refused = take(columns, items[index], 0)
      answers.set(index, refused ?? (await this.#single(columns)))
      answers.flushIfDue()
    }
  }

  /** The outcome of the event that is first in the columns. */
  async #single(columns: readonly InputColumn[]): Promise<InferOutcome> {
    try {
      if (await this.#run(columns, 1)) return this.#results.outcome(0)
      const message = 'the outputs of the model are not those of its events'
      return { kind: 'error', error: { type: 'InvalidOutput', message } }
    } catch (thrown) {
      // Its stack would be ours, or that of an engine.
      const { message } = describeModelError(thrown, this.#folder)
      return { kind: 'error', error: { type: 'InferenceError', message } }
    }
  }

  /** @returns Whether the outputs have one part for each event. */
  async #run(columns: readonly InputColumn[], rows: number): Promise<boolean> {
    const feeds = new Map<string, Tensor>()
    const filled = Math.max(rows, this.#roomMin)
    for (const column of columns) {
      if (rows < filled) column.pad(rows, filled)
      feeds.set(column.name, column.tensor(filled))
    }
    return this.#results.accept(await this.#model.run(feeds, this.#wanted), filled)
  }
}

/** Puts an event into a row of the columns, unless it is refused. */
function take(
  columns: readonly InputColumn[],
  item: InferItem | undefined,
  row: number,
): InferOutcome | undefined {
  const text = Buffer.from(item?.event ?? []).toString()
  let refusal = takeEvent(columns, JSON.parse(text), row)
  if (refusal === 'inexact') refusal = takeEvent(columns, parseExactJson(text), row)
  if (refusal === undefined) return undefined
  if (refusal === 'skip') return { kind: 'empty' }
  return { kind: 'error', error: refusal === 'inexact' ? inexact : refusal }
}

function takeEvent(
  columns: readonly InputColumn[],
  event: unknown,
  row: number,
): Refusal | undefined {
  for (const column of columns) {
    const refusal = column.take(event, row)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

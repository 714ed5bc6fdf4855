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

class TensorExecutor implements ModelExecutor {
  readonly engine: string
  readonly signature: string
  readonly #model: TensorModel
  readonly #folder: string
  readonly #columns: readonly InputColumn[]
  readonly #results: ResultWriter
  readonly #wanted: readonly string[]
  /** Events that one run has room for. */
  readonly #room: number
  /** No run is given fewer: it is filled up. */
  readonly #roomMin: number
  /** An output turned out to be of all events together. */
  #isUnbatched: boolean

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
    this.#columns = inputs.map((binding) => new InputColumn(binding))
    this.#results = new ResultWriter(outputs, resultBytesMax)
    this.#wanted = outputs.map(({ name }) => name)
    const largest = Math.max(1, ...this.#columns.map(({ elements }) => elements))
    if (largest * (events === Infinity ? 1 : events) > runElementsMax) {
      const message = `${entryFile} takes more than ${runElementsMax} elements at once. ${signatureText(model)}`
      throw new ModelLoadError({ kind: 'file', message, where: entryFile })
    }
    const most = Math.max(1, Math.floor(runElementsMax / largest))
    this.#room = events === Infinity ? most : events
    this.#roomMin = events === Infinity ? 1 : events
    this.#isUnbatched = outputs.some(({ isUnbatched }) => isUnbatched)
  }

  async execute(
    items: readonly InferItem[],
    mark: ProgressMark,
    emit: (first: number, outcomes: readonly InferOutcome[]) => void,
  ): Promise<void> {
    const answers = new OutcomeStretch(items.length, emit)
    const room = this.#isUnbatched ? 1 : Math.min(this.#room, items.length)
    for (const column of this.#columns) column.reserve(Math.max(room, this.#roomMin))
    let rows: number[] = []
    for (let index = 0; index < items.length; index++) {
      const refused = this.#take(items[index], rows.length)
      if (refused !== undefined) answers.set(index, refused)
      else rows.push(index)
      if (rows.length < room) continue
      await this.#answer(items, rows, mark, answers)
      rows = []
      answers.flushIfDue()
    }
    if (rows.length > 0) await this.#answer(items, rows, mark, answers)
    answers.end()
  }

  close(): Promise<void> {
    return this.#model.close()
  }

  /** @param rows - Indices of the events that the columns hold. */
  async #answer(
    items: readonly InferItem[],
    rows: readonly number[],
    mark: ProgressMark,
    answers: OutcomeStretch,
  ): Promise<void> {
    const [only = 0] = rows
    if (rows.length === 1) {
      mark.begin(only)
      answers.set(only, await this.#single())
      return
    }
    try {
      if (await this.#run(rows.length)) {
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
      const refused = this.#take(items[index], 0)
      answers.set(index, refused ?? (await this.#single()))
      answers.flushIfDue()
    }
  }

  /** The outcome of the event that is first in the columns. */
  async #single(): Promise<InferOutcome> {
    try {
      if (await this.#run(1)) return this.#results.outcome(0)
      const message = 'the outputs of the model are not those of its events'
      return { kind: 'error', error: { type: 'InvalidOutput', message } }
    } catch (thrown) {
      // Its stack would be ours, or that of an engine.
      const { message } = describeModelError(thrown, this.#folder)
      return { kind: 'error', error: { type: 'InferenceError', message } }
    }
  }

  /** @returns Whether the outputs have one part for each event. */
  async #run(rows: number): Promise<boolean> {
    const feeds = new Map<string, Tensor>()
    const filled = Math.max(rows, this.#roomMin)
    for (const column of this.#columns) {
      if (rows < filled) column.pad(rows, filled)
      feeds.set(column.name, column.tensor(filled))
    }
    return this.#results.accept(await this.#model.run(feeds, this.#wanted), filled)
  }

  /** Puts an event into the columns, unless it is refused. */
  #take(item: InferItem | undefined, row: number): InferOutcome | undefined {
    const text = Buffer.from(item?.event ?? []).toString()
    let refusal = this.#takeEvent(JSON.parse(text), row)
    if (refusal === 'inexact') refusal = this.#takeEvent(parseExactJson(text), row)
    if (refusal === undefined) return undefined
    if (refusal === 'skip') return { kind: 'empty' }
    return { kind: 'error', error: refusal === 'inexact' ? inexact : refusal }
  }

  #takeEvent(event: unknown, row: number): Refusal | undefined {
    for (const column of this.#columns) {
      const refusal = column.take(event, row)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }
}

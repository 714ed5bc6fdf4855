import { flushAfterMs, flushBytes, resultBytesMax } from './batch-codec.ts'
import { encodeJsonResult } from './json-result.ts'
import { EventModelContext, type ModelConstants } from './model-context.ts'
import { describeModelError } from './model-failure.ts'
import type { LoadedModel } from './model-module.ts'
import type { ProgressMark } from './progress-mark.ts'
import type { InferItem, InferOutcome } from './runner.ts'

/**
 * Runs a JavaScript model over a batch, one event after the other and in order: the next begins
 * when the promise of the one before is settled.
 *
 * Outcomes are emitted in stretches: what there is, when the last stretch is more than
 * {@link flushAfterMs} old, so that a slow model holds no finished result back; or when it has
 * grown large; and at the end. What is left unsent when an event never ends is lost with it: no
 * timer runs beside a model that spins. Never throws.
 *
 * @param mark - Is told which event the model is given, before it is.
 */
export async function executeBatch(
  model: LoadedModel,
  constants: ModelConstants,
  items: readonly InferItem[],
  mark: ProgressMark,
  emit: (first: number, outcomes: readonly InferOutcome[]) => void,
): Promise<void> {
  let first = 0
  let outcomes: InferOutcome[] = []
  let bytes = 0
  let emittedAt = performance.now()
  let index = 0
  for (const item of items) {
    mark.begin(index++)
    let outcome: InferOutcome
    try {
      const context = new EventModelContext(constants, item.context)
      let result: unknown = model.handler(parseEvent(item.event), context)
      if (isThenable(result)) result = await result
      outcome = encodeJsonResult(result, resultBytesMax)
    } catch (thrown) {
      outcome = { kind: 'error', error: describeModelError(thrown, model.folder) }
    }
    outcomes.push(outcome)
    if (outcome.kind === 'value') bytes += outcome.payload.length
    const now = performance.now()
    if (now - emittedAt > flushAfterMs || bytes > flushBytes) {
      emit(first, outcomes)
      first += outcomes.length
      outcomes = []
      bytes = 0
      emittedAt = now
    }
  }
  if (outcomes.length > 0) emit(first, outcomes)
}

function parseEvent(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  return JSON.parse(text)
}

/** Only what is a promise costs a turn of the event loop. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  )
}

import { answerEach } from './answer-each.ts'
import { resultBytesMax } from './batch-codec.ts'
import { encodeJsonResult } from './json-result.ts'
import { EventModelContext, type ModelConstants } from './model-context.ts'
import { describeModelError } from './model-failure.ts'
import type { LoadedModel } from './model-module.ts'
import type { ProgressMark } from './progress-mark.ts'
import type { InferItem, InferOutcome } from './runner.ts'

/** Runs a JavaScript model over a batch, as {@link answerEach} says. Never throws. */
export function executeBatch(
  model: LoadedModel,
  constants: ModelConstants,
  items: readonly InferItem[],
  mark: ProgressMark,
  emit: (first: number, outcomes: readonly InferOutcome[]) => void,
): Promise<void> {
  const failed = (thrown: unknown): InferOutcome => ({
    kind: 'error',
    error: describeModelError(thrown, model.folder),
  })
  const encode = (result: unknown): InferOutcome => encodeJsonResult(result, resultBytesMax)
  return answerEach(items, mark, emit, (item) => {
    try {
      const context = new EventModelContext(constants, item.context)
      const result = model.handler(parseEvent(item.event), context)
      if (!isThenable(result)) return encode(result)
      return Promise.resolve(result).then(encode).catch(failed)
    } catch (thrown) {
      return failed(thrown)
    }
  })
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

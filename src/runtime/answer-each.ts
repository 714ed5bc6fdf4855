import { OutcomeStretch } from './outcome-stretch.ts'
import type { ProgressMark } from './progress-mark.ts'
import type { InferItem, InferOutcome } from './runner.ts'

/**
 * Lets a model that takes one event at a time answer a batch, in order: the next begins when the
 * promise of the one before is settled.
 *
 * Outcomes are emitted in stretches: what there is, when the last stretch is more than
 * `flushAfterMs` old, so that a slow model holds no finished result back; or when it has
 * grown large; and at the end. What is left unsent when an event never ends is lost with it: no
 * timer runs beside a model that spins.
 *
 * @param mark - Is told which event the model is given, before it is.
 * @param answer - Never throws and never rejects. Only a promise costs a turn of the event loop.
 */
export async function answerEach(
  items: readonly InferItem[],
  mark: ProgressMark,
  emit: (first: number, outcomes: readonly InferOutcome[]) => void,
  answer: (item: InferItem) => InferOutcome | Promise<InferOutcome>,
): Promise<void> {
  const stretch = new OutcomeStretch(items.length, emit)
  let index = 0
  for (const item of items) {
    mark.begin(index)
    const outcome = answer(item)
    stretch.set(index++, outcome instanceof Promise ? await outcome : outcome)
    stretch.flushIfDue()
  }
  stretch.end()
}

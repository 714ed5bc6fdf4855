import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needsScikitLearn, pressAnswers, pressModel } from '../../support/press-model.ts'
import { published, RunningModel } from '../../support/running-model.ts'

const events = 10_000
const batchItems = 64
/** Probabilities are sums of 32-bit floats there and of 64-bit floats in Python. */
const tolerance = 2e-6

test(
  'scikit-learn and its ONNX export give the same answers to 10,000 random events',
  { skip: needsScikitLearn },
  async () => {
    const expected = pressAnswers(events)
    const running = new RunningModel(pressModel)
    const { engine } = await running.start()
    assert.match(engine, /^onnxruntime \d/)
    let furthest = 0
    for (let at = 0; at < events; at += batchItems) {
      const batch = expected.slice(at, at + batchItems)
      const { outcomes } = await running.infer(batch.map(({ event }) => event))
      for (const [i, { verdict, chance }] of batch.entries()) {
        const answer = JSON.parse(published(outcomes[i])) as typeof chance & {
          verdict: string
          chance: Record<string, number>
        }
        assert.equal(answer.verdict, verdict, `event ${at + i}`)
        assert.deepEqual(Object.keys(answer.chance), Object.keys(chance))
        for (const [label, value] of Object.entries(chance)) {
          furthest = Math.max(furthest, Math.abs((answer.chance[label] ?? 2) - value))
        }
      }
    }
    await running.stop()
    assert.equal(expected.length, events)
    assert.ok(furthest <= tolerance, `probabilities differ by ${furthest}`)
  },
)

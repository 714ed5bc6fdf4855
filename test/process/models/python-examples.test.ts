import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { readManifest } from '../../../src/config/manifest/read-manifest.ts'
import { detectEntry } from '../../../src/models/detect-entry.ts'
import { readSamples } from '../../../src/models/read-samples.ts'
import { compareOutcome } from '../../../src/runtime/samples/compare-outcome.ts'
import { needsScikitLearn, pressAnswers, pressManifest } from '../../support/press-model.ts'
import { published, RunningModel } from '../../support/running-model.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const python = '/usr/bin/python3'
const events = 10_000
const batchItems = 64

describe('examples for scikit-learn', { skip: needsScikitLearn }, () => {
  for (const [example, format] of [
    ['sklearn', 'estimator'],
    ['pickle', 'module'],
  ] as const) {
    test(`${example} is recognised, and answers its samples`, async () => {
      const folder = join(root, 'examples', 'models', example)
      const found = await detectEntry(folder, example, readManifest)
      assert.deepEqual([found.runtime, found.format], ['python', format])
      const entry = found.entryFile.slice(folder.length + 1)
      const { manifest } = found
      const running = new RunningModel({
        runtime: 'python',
        format,
        folder,
        entry,
        python,
        ...(manifest === undefined ? {} : { manifest }),
      })
      await running.start()
      const samples = await readSamples({ ...found, name: example })
      const { outcomes } = await running.infer(samples.map(({ event }) => Buffer.from(event)))
      await running.stop()
      assert.ok(samples.length >= 2)
      for (const [at, sample] of samples.entries()) {
        assert.equal(compareOutcome(sample, outcomes[at] ?? assert.fail()), undefined)
      }
    })
  }

  test('a pipeline answers 10,000 random events as scikit-learn alone does, to the last bit', async () => {
    const expected = pressAnswers(events)
    const texts = new Set(['mode', 'oil'])
    const running = new RunningModel({
      runtime: 'python',
      format: 'estimator',
      folder: join(root, 'test', 'fixtures', 'models', 'plant-classifier'),
      entry: 'model.joblib',
      python,
      manifest: {
        ...pressManifest,
        inputs: pressManifest.inputs.map((input) =>
          texts.has(input.name) ? { ...input, dtype: 'string' } : input,
        ),
        outputs: [
          { name: 'predict', path: ['verdict'] },
          { name: 'predict_proba', path: ['chance'] },
        ],
      },
    })
    await running.start()
    for (let at = 0; at < events; at += batchItems) {
      const batch = expected.slice(at, at + batchItems)
      const { outcomes } = await running.infer(batch.map(({ event }) => event))
      for (const [i, { verdict, chance }] of batch.entries()) {
        assert.deepEqual(JSON.parse(published(outcomes[i])), { verdict, chance }, `event ${at + i}`)
      }
    }
    await running.stop()
    assert.equal(expected.length, events)
  })
})

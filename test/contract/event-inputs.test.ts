/** What becomes of values of events is the same for models in Python and for all others. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { ManifestInput } from '../../src/models/model-manifest.ts'
import { pythonInterpreters } from '../support/python-interpreters.ts'
import { ask, EchoModel, manifest, open } from '../support/tensor-bench.ts'

const folder = join(import.meta.dirname, '..', 'fixtures', 'inputs')

interface Case {
  readonly input: Partial<ManifestInput>
  readonly event: string
  /** Absent: the value is taken. */
  readonly error?: string
}

const cases = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')) as readonly Case[]

describe('values of events as inputs of a tensor model', () => {
  for (const { input, event, error } of cases) {
    const wanted = error ?? 'taken'
    test(`${JSON.stringify(input)} of ${event}: ${wanted}`, async () => {
      const { dtype = 'float32', paths = [['x']], missing = { kind: 'reject' } } = input
      const sizes = input.shape ?? (paths.length > 1 ? [paths.length] : [])
      const model = new EchoModel([{ name: 'x', dtype, shape: [null, ...sizes] }], {
        outputs: [{ name: 'n', dtype: 'float32', shape: [null] }],
        answer: () => new Map([['n', { dtype: 'float32', shape: [1], data: Float32Array.of(1) }]]),
      })
      const said = { ...input, name: 'x', paths, missing }
      const [answer = ''] = await ask(await open(model, manifest([said])), [event])
      const got = answer.startsWith('!')
        ? answer.slice(1)
        : model.runs.length > 0
          ? 'taken'
          : 'skip'
      assert.equal(got, wanted)
    })
  }
})

for (const { path, version } of pythonInterpreters()) {
  test(`values of events are taken and refused alike by Python ${version} (${path})`, () => {
    const run = spawnSync(path, [join(folder, 'run_cases.py')], { encoding: 'utf8' })
    assert.equal(run.status, 0, run.stderr)
    const answers = run.stdout.trim().split('\n')
    assert.deepEqual(
      answers.map((line) => JSON.parse(line) as unknown),
      cases.map(({ error }) => error ?? null),
    )
  })
}

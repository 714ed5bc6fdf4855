import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { readManifest } from '../../../src/config/manifest/read-manifest.ts'
import { detectEntry } from '../../../src/models/detect-entry.ts'
import { readSamples } from '../../../src/models/read-samples.ts'
import type { InferOutcome } from '../../../src/runtime/runner.ts'
import { compareOutcome } from '../../../src/runtime/samples/compare-outcome.ts'
import { buildExecExample, needsCompiler } from '../../support/exec-example.ts'
import { published, RunningModel } from '../../support/running-model.ts'
import { Scratch } from '../../support/scratch.ts'

const program = { runtime: 'exec', format: 'program', entry: 'model' } as const
const knock = { vibration: [9, ...Array.from({ length: 18 }, () => 0)] }

describe('the example in C', { skip: needsCompiler }, () => {
  let scratch: Scratch
  let folder: string
  before(async () => {
    scratch = await Scratch.make()
    folder = join(scratch.folder, 'bearing')
    await buildExecExample(folder)
  })
  after(() => scratch[Symbol.asyncDispose]())

  /** What becomes of these events in a model of their own. */
  async function outcomesOf(
    events: readonly unknown[],
    more: { params?: Record<string, unknown>; folder?: string } = {},
  ): Promise<readonly InferOutcome[]> {
    const running = new RunningModel({ ...program, folder, params: {}, ...more })
    await running.start()
    const { outcomes, lost } = await running.infer(events)
    await running.stop()
    assert.equal(lost, undefined)
    assert.deepEqual(running.lines, [], 'nothing is printed')
    return outcomes
  }

  test('is recognised, and answers its samples', async () => {
    const found = await detectEntry(folder, 'bearing', readManifest)
    assert.deepEqual([found.runtime, found.format], ['exec', 'program'])
    const samples = await readSamples({ ...found, name: 'bearing' })
    assert.ok(samples.length >= 3)
    const outcomes = await outcomesOf(samples.map(({ event }) => Buffer.from(event)))
    for (const [at, sample] of samples.entries()) {
      assert.equal(compareOutcome(sample, outcomes[at] ?? assert.fail()), undefined)
    }
  })

  test('takes its limit from the params, and refuses one that is none', async () => {
    const outcomes = await outcomesOf([knock], { params: { limit: 5 } })
    assert.deepEqual(outcomes, [{ kind: 'empty' }])
    const running = new RunningModel({ ...program, folder, params: { limit: 'high' } })
    await assert.rejects(running.start(), {
      code: 'MODEL_IMPORT_FAILED',
      message: /limit is no number of at least 1/,
    })
  })

  test('answers in pieces what one piece cannot hold', async () => {
    const outcomes = await outcomesOf(Array.from({ length: 300 }, () => knock))
    assert.equal(outcomes.length, 300)
    for (const outcome of outcomes) {
      assert.deepEqual(JSON.parse(published(outcome)), { crest: 4.3589, peak: 9, rms: 2.06474 })
    }
  })

  const half = '{"crest":1.41421,"peak":9,"rms":6.36396}'
  for (const [what, event, result] of [
    ['between white space', ' { "a" : [ { } , "]" ] ,\n"vibration" :\t[ 9 ,\r0 ] } ', half],
    ['behind brackets and quotes in texts', '{"}":"\\"{[","\\\\":0,"vibration":[9,0]}', half],
    ['not in a nested object', '{"x":{"vibration":[1]},"vibration":[9,0]}', half],
    ['the first of two', '{"vibration":[9,0],"vibration":[1]}', half],
    ['in every form', '{"vibration":[-90.0E-1,-0]}', half],
    [
      'whose squares no double holds',
      '{"vibration":[9e200,0]}',
      '{"crest":1.41421,"peak":9e+200,"rms":6.36396e+200}',
    ],
  ] as const) {
    test(`finds its numbers: ${what}`, async () => {
      const outcomes = await outcomesOf([Buffer.from(event)], { params: { limit: 1 } })
      assert.deepEqual(outcomes.map(published), [result])
    })
  }

  test('no event, however it is cut short, makes it read beyond its end', async () => {
    const checked = join(scratch.folder, 'checked')
    await buildExecExample(checked, '-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all')
    const texts = [
      '{"a":[{}, "\\"]\\u00e9"],"vibration":[-1.5e3, 0, 1e999, tru]}',
      '{"vibration":"\\\\","vibration" : [[[{"":""}]]]}',
      `{"vibration":[${'9'.repeat(200)}]}`,
      '[1,,2]:}{',
    ]
    const cut = texts.flatMap((text) =>
      Array.from({ length: text.length + 1 }, (_, length) => Buffer.from(text.slice(0, length))),
    )
    const running = new RunningModel({ ...program, folder: checked, params: {} })
    await running.start()
    // Each alone at the end of a buffer that has just its size: of a larger batch than any before.
    const context = { topic: 'x'.repeat(8192) }
    for (const event of cut.toSorted((a, b) => a.length - b.length)) {
      const { outcomes, lost } = await running.infer([event], [context])
      assert.equal(outcomes.length, 1, `${event.toString()}: ${lost?.message}`)
    }
    await running.stop()
    assert.deepEqual([running.lines, running.exits], [[], []])
  })
})

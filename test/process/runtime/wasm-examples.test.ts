import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import { published, RunningModel } from '../../support/running-model.ts'
import { root } from '../../support/markdown.ts'

const examples = join(root, 'examples', 'models')

test('runs a module that Rust compiled', async () => {
  const running = new RunningModel({
    runtime: 'wasm',
    format: 'wasm',
    folder: join(examples, 'wasm'),
    entry: 'leak.wasm',
    params: { tolerance: 0.5 },
  })
  await running.start()
  const { outcomes } = await running.infer([
    { temperature: 20, pressure: 2.5 },
    { temperature: 20, pressure: 1.2 },
    { temperature: 20 },
  ])
  await running.stop()
  assert.equal(outcomes[0]?.kind, 'empty')
  assert.equal(published(outcomes[1]), '{"expected":2.150,"residual":-0.950}')
  assert.equal(outcomes[2]?.kind, 'error')
})

const extism = (memoryBytesMax?: number): RunningModel =>
  new RunningModel({
    runtime: 'wasm',
    format: 'extism',
    folder: join(examples, 'extism'),
    entry: 'drift.wasm',
    params: { limit: 1 },
    ...(memoryBytesMax === undefined ? {} : { memoryBytesMax }),
  })

test('runs a plug-in that was made with the kit of Extism', async () => {
  const running = extism()
  assert.match((await running.start()).engine, /^Extism 1\.0\.3 /)
  const { outcomes } = await running.infer([
    { value: 20.5, reference: 20 },
    { value: 21.5, reference: 20 },
    { value: 21.5 },
    { value: 18.5, reference: 20 },
  ])
  await running.stop()
  assert.equal(outcomes[0]?.kind, 'empty')
  assert.equal(published(outcomes[1]), '{"drift":1.5}')
  const failed = outcomes[2]
  assert.ok(failed?.kind === 'error')
  assert.match(failed.error.message, /an event needs the number reference/)
  assert.equal(published(outcomes[3]), '{"drift":-1.5}')
})

test('says of a module that is no plug-in what it lacks', async () => {
  const running = new RunningModel({
    runtime: 'wasm',
    format: 'extism',
    folder: join(examples, 'wasm'),
    entry: 'leak.wasm',
  })
  const thrown: unknown = await running.start().catch((error: unknown) => error)
  assert.ok(thrown instanceof EdgebootError)
  assert.match(thrown.code, /^MODEL_/)
})

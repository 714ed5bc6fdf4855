import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PipelineSettings } from '../../../src/config/settings.ts'
import { effectiveSettings } from '../../../src/host/effective-settings.ts'
import type { ModelManifest } from '../../../src/models/model-manifest.ts'
import { pipelineSettings } from '../../support/pipeline-settings.ts'

const bare: ModelManifest = {
  file: '/models/m/model.yaml',
  args: [],
  inputs: [],
  outputs: [],
  params: {},
  env: {},
}
const manifest: ModelManifest = {
  ...bare,
  batch: { size: 32, delayMs: 5 },
  timeoutMs: 2000,
  memoryBytesMax: 512,
  params: { limit: 80, table: { a: 1, b: 2 } },
  env: { OMP_NUM_THREADS: '1', LANG: 'C' },
}

/** What a func says that says nothing of how its model runs. */
function silentFunc(more: Partial<PipelineSettings> = {}): PipelineSettings {
  const { timeoutMs, ...rest } = pipelineSettings()
  assert.ok(timeoutMs > 0)
  return { ...rest, batch: {}, ...more }
}

test('takes the defaults where neither func nor manifest says anything', () => {
  for (const model of [{}, { manifest: bare }]) {
    const settings = effectiveSettings(silentFunc(), model)
    assert.deepEqual(settings, {
      ...silentFunc(),
      batch: { size: 64, delayMs: 0 },
      timeoutMs: 10_000,
    })
  }
})

test('takes what the manifest says before the defaults', () => {
  const settings = effectiveSettings(silentFunc(), { manifest })
  const { batch, timeoutMs, memoryBytesMax, params, env } = settings
  assert.deepEqual(
    { batch, timeoutMs, memoryBytesMax, params, env },
    {
      batch: manifest.batch,
      timeoutMs: 2000,
      memoryBytesMax: 512,
      params: manifest.params,
      env: manifest.env,
    },
  )
})

test('takes what the func says before all else, key by key', () => {
  const func = silentFunc({
    batch: { delayMs: 0 },
    timeoutMs: 1,
    memoryBytesMax: 2,
    params: { table: { c: 3 } },
    env: { LANG: 'C.UTF-8' },
  })
  const settings = effectiveSettings(func, { manifest })
  const { batch, timeoutMs, memoryBytesMax, params, env } = settings
  assert.deepEqual(
    { batch, timeoutMs, memoryBytesMax, params, env },
    {
      batch: { size: 32, delayMs: 0 },
      timeoutMs: 1,
      memoryBytesMax: 2,
      params: { limit: 80, table: { c: 3 } },
      env: { OMP_NUM_THREADS: '1', LANG: 'C.UTF-8' },
    },
  )
})

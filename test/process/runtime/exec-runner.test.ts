import assert from 'node:assert/strict'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import type { ModelManifest } from '../../../src/models/model-manifest.ts'
import { published, RunningModel, withModelFolder } from '../../support/running-model.ts'
import { needsPython } from '../../support/python-interpreters.ts'

const folder = join(import.meta.dirname, '..', '..', 'fixtures', 'runners', 'exec')

function modelThat(wrong: string | undefined, options: { startMs?: number } = {}): RunningModel {
  const manifest: ModelManifest = {
    file: join(folder, 'model.yaml'),
    args: wrong === undefined ? [] : [wrong],
    inputs: [],
    outputs: [],
    params: {},
    env: {},
  }
  const program = { runtime: 'exec', format: 'program', folder, entry: 'model.py' } as const
  return new RunningModel({ ...program, manifest, ...options })
}

async function startError(running: RunningModel): Promise<EdgebootError> {
  const thrown: unknown = await running.start().catch((error: unknown) => error)
  assert.ok(thrown instanceof EdgebootError, String(thrown))
  return thrown
}

test('runs a program that speaks the frames', { skip: needsPython }, async () => {
  const running = modelThat(undefined)
  assert.equal((await running.start()).engine, 'test 1')
  const { outcomes } = await running.infer([{ 设备: 1 }, null, []])
  await running.stop()
  assert.equal(published(outcomes[0]), '{"设备":1}')
  assert.deepEqual(outcomes.slice(1), [
    { kind: 'empty' },
    { kind: 'error', error: { type: 'ValueError', message: 'no such pump' } },
  ])
  assert.deepEqual(running.printed('stdout'), ['hello from the model'])
  assert.deepEqual(running.exits, [])
})

test(
  'gives a program its folder, its arguments and no more of the environment',
  { skip: needsPython },
  async () => {
    const running = modelThat('an argument')
    await running.start()
    const { outcomes } = await running.infer(['environment'])
    await running.stop()
    const [names, where, args] = JSON.parse(published(outcomes[0])) as [string[], string, string[]]
    assert.ok(names.includes('PATH') && !names.includes('HOME'), names.join())
    assert.deepEqual([where, args], [folder, ['an argument']])
  },
)

test('gives up a program that never says that it is ready', { skip: needsPython }, async () => {
  const error = await startError(modelThat('mute', { startMs: 400 }))
  assert.equal(error.code, 'RUNNER_START_TIMEOUT')
})

for (const [wrong, message] of [
  ['garbage', /broke the frame protocol/],
  ['counts', /broke the frame protocol/],
  ['order', /broke the frame protocol/],
  ['errors', /a model error has no type or no message/],
] as const) {
  test(
    `ends a program that answers wrongly, and no other: ${wrong}`,
    { skip: needsPython },
    async () => {
      const [running, beside] = [modelThat(wrong), modelThat(undefined)]
      await Promise.all([running.start(), beside.start()])
      const { lost } = await running.infer([1, []])
      assert.equal(lost?.code, 'RUNNER_PROTOCOL')
      assert.match(lost.message, message)
      await running.exited
      assert.equal(published((await beside.infer([7])).outcomes[0]), '7')
      await beside.stop()
    },
  )
}

test('asks for chmod where the program is not executable', async () => {
  await withModelFolder({ model: '#!/bin/sh\n' }, async (place) => {
    const running = new RunningModel({
      runtime: 'exec',
      format: 'program',
      folder: place,
      entry: 'model',
    })
    const error = await startError(running)
    assert.equal(error.code, 'MODEL_FILE_INVALID')
    assert.match(error.message, /told\/model is not executable/)
    assert.match(error.fix, /^Run chmod \+x /)
  })
})

test('names the interpreter that a script asks for in vain', async () => {
  await withModelFolder({ model: '#!/opt/nowhere/julia\n' }, async (place) => {
    await chmod(join(place, 'model'), 0o755)
    const running = new RunningModel({
      runtime: 'exec',
      format: 'program',
      folder: place,
      entry: 'model',
    })
    const error = await startError(running)
    assert.equal(error.code, 'RUNNER_INTERPRETER_MISSING')
    assert.match(error.fix, /Install \/opt\/nowhere\/julia/)
  })
})

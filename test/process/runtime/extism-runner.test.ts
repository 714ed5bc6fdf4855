import assert from 'node:assert/strict'
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'node:test'
import { systemClock } from '../../../src/core/clock.ts'
import { EdgebootError } from '../../../src/core/errors.ts'
import { root } from '../../support/markdown.ts'
import { published, RunningModel, specOf, withModelFolder } from '../../support/running-model.ts'
import { Scratch } from '../../support/scratch.ts'
import { compileWat } from '../../support/wasm-module.ts'

/** A plug-in that returns its event; does something else with one of more than a character. */
function plugIn(withLongEvents: string): Buffer {
  return compileWat(`(module
    (import "extism:host/env" "input_offset" (func $offset (result i64)))
    (import "extism:host/env" "input_length" (func $length (result i64)))
    (import "extism:host/env" "output_set" (func $output (param i64 i64)))
    (memory (export "memory") 1)
    (func $handle (export "handle") (result i32)
      (if (i64.gt_u (call $length) (i64.const 1)) (then ${withLongEvents}))
      (call $output (call $offset) (call $length))
      (i32.const 0)))`)
}

const extism = { runtime: 'wasm', format: 'extism', entry: 'model.wasm' } as const

/** Two runners of the same plug-in, both started. */
async function withTwo(
  bytes: Uint8Array,
  use: (one: RunningModel, beside: RunningModel) => Promise<void>,
): Promise<void> {
  await withModelFolder({ 'README.md': '' }, async (folder) => {
    await writeFile(join(folder, 'model.wasm'), bytes)
    const both = [new RunningModel({ ...extism, folder }), new RunningModel({ ...extism, folder })]
    const [one, beside] = both
    assert.ok(one && beside)
    try {
      await Promise.all(both.map((running) => running.start()))
      await use(one, beside)
    } finally {
      await Promise.all(both.map((running) => running.stop()))
    }
  })
}

test('kills a plug-in that spins, and blames no other event; the one beside it goes on', async () => {
  await withTwo(plugIn('(loop $l (br $l))'), async (stuck, beside) => {
    const answer = stuck.infer([1, 2, 'long', 3])
    stuck.runner.interrupt(new EdgebootError('RUNNER_DEADLINE', 'took too long'))
    const { outcomes } = await beside.infer([4, 5, 6])
    assert.deepEqual(outcomes.map(published), ['4', '5', '6'])
    const { lost, lostOn } = await answer
    assert.equal(lost?.code, 'RUNNER_DEADLINE')
    // It may have been ended before it came to that event.
    assert.ok(lostOn === undefined || lostOn === 2)
    assert.equal((await stuck.exited).code, 'RUNNER_DEADLINE')
    assert.deepEqual(beside.exits, [])
  })
})

for (const [what, body, message] of [
  ['unreachable', 'unreachable', /unreachable instruction/],
  ['an access beyond its memory', '(drop (i32.load (i32.const -8)))', /beyond its memory/],
  ['a recursion without end', '(drop (call $handle))', /stack overflowed/],
] as const) {
  test(`makes a trap the error of its event, and goes on: ${what}`, async () => {
    await withTwo(plugIn(body), async (running, beside) => {
      const { outcomes, lost } = await running.infer([1, 'long', 3])
      assert.equal(lost, undefined)
      assert.deepEqual([outcomes[0], outcomes[2]].map(published), ['1', '3'])
      const trapped = outcomes[1]
      assert.ok(trapped?.kind === 'error')
      assert.equal(trapped.error.type, 'WasmTrap')
      assert.match(trapped.error.message, message)
      assert.equal(published((await beside.infer([4])).outcomes[0]), '4')
    })
  })
}

test('says how to install Extism where it is not', async () => {
  await using scratch = await Scratch.make()
  // The same code in a folder from which no package is found, as where nobody installed it.
  for (const part of ['core', 'models', 'runtime']) {
    await cp(join(root, 'src', part), scratch.path('src', part), { recursive: true })
  }
  await scratch.write('package.json', '{ "type": "module" }')
  const file = pathToFileURL(scratch.path('src/runtime/create-runner.ts')).href
  const { createRunner } = (await import(
    file
  )) as typeof import('../../../src/runtime/create-runner.ts')
  const folder = join(root, 'examples', 'models', 'extism')
  const silent = { log: () => {}, exited: () => {}, outgrew: () => {} }
  const spec = specOf({ ...extism, folder, entry: 'drift.wasm' })
  const runner = createRunner(spec, silent, { clock: systemClock })
  await assert.rejects(runner.start(), {
    code: 'RUNNER_ENGINE_MISSING',
    message: /drift\.wasm is a plug-in for Extism, .*: npm install @extism\/extism@1\.0\.3/,
  })
})

/** Real files and real notices of the system. */
import assert from 'node:assert/strict'
import { appendFile, mkdir, rename, rm, symlink } from 'node:fs/promises'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../../src/core/clock.ts'
import { PathWatch } from '../../../src/host/path-watch.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { Scratch } from '../../support/scratch.ts'
import { until } from '../../support/wait.ts'

async function site(
  t: TestContext,
  prepare: (scratch: Scratch) => Promise<unknown> = (s) => s.write('config.yaml', 'one'),
): Promise<{ scratch: Scratch; told: string[]; watch: PathWatch }> {
  const scratch = await Scratch.make()
  await prepare(scratch)
  await scratch.write('models/m/index.py', 'a = 1')
  const told: string[] = []
  const log = new RecordedLog().logger
  const watch = new PathWatch({ clock: systemClock, log, changed: (what) => told.push(what) })
  const config = scratch.path('config.yaml')
  await watch.watch({ config, models: ['models/m', 'models/m.zip'].map((p) => scratch.path(p)) })
  t.after(async () => {
    watch.close()
    await scratch[Symbol.asyncDispose]()
  })
  return { scratch, told, watch }
}

const toldOf = (told: readonly string[], ...expected: readonly string[]): Promise<unknown> =>
  until(expected.join(), () => told.length >= expected.length).then(() =>
    assert.deepEqual(told, expected),
  )

test('a configuration that is written, or replaced as editors do it, is told each time', async (t) => {
  const { scratch, told } = await site(t)
  await scratch.write('config.yaml', 'two')
  await toldOf(told, 'configuration')
  await scratch.write('config.yaml.new', 'three')
  await rename(scratch.path('config.yaml.new'), scratch.path('config.yaml'))
  await toldOf(told, 'configuration', 'configuration')
  await scratch.write('config.yaml', 'four')
  await toldOf(told, 'configuration', 'configuration', 'configuration')
})

test('a ConfigMap that is swapped below a link is told', async (t) => {
  const { scratch, told } = await site(t, async (s) => {
    await s.write('..1/config.yaml', 'one')
    await s.write('..2/config.yaml', 'two')
    await symlink('..1', s.path('..data'))
    await symlink('..data/config.yaml', s.path('config.yaml'))
  })
  await symlink('..2', scratch.path('..new'))
  await rename(scratch.path('..new'), scratch.path('..data'))
  await toldOf(told, 'configuration')
})

test('a model is told when it changes, however deep, and when its folder or its zip is replaced', async (t) => {
  const { scratch, told } = await site(t)
  await scratch.write('models/m/index.py', 'a = 2 # longer')
  await toldOf(told, 'model')
  await scratch.write('models/m/data/deep/table.csv', '1')
  await toldOf(told, 'model', 'model')
  await scratch.write('models/m/data/deep/table.csv', '1,2')
  await toldOf(told, 'model', 'model', 'model')
  await scratch.write('next/index.py', 'a = 3 # another one')
  await rm(scratch.path('models/m'), { recursive: true })
  await rename(scratch.path('next'), scratch.path('models/m'))
  await until('the fourth', () => told.length === 4)
  await scratch.write('models/m/index.py', 'a = 4 # in the folder that came')
  await until('the fifth', () => told.length === 5)
  await scratch.write('models/m.zip', 'PK')
  await until('the sixth', () => told.length === 6)
})

test('a zip that is still being copied is told once, when it is whole', async (t) => {
  const { scratch, told } = await site(t)
  await mkdir(scratch.path('models'), { recursive: true })
  for (let part = 0; part < 12; part++) {
    await appendFile(scratch.path('models/m.zip'), 'part')
    await sleep(100) // slower than the notices, faster than it takes to settle
  }
  assert.deepEqual(told, [])
  await toldOf(told, 'model')
})

test('what is saved again without a change, and what is not the author’s, is not told', async (t) => {
  const { scratch, told } = await site(t)
  await scratch.write('config.yaml', 'one')
  await scratch.write('unrelated.log', 'a line')
  await scratch.write('models/m/__pycache__/index.pyc', 'x')
  await scratch.write('models/m/.index.py.swp', 'x')
  // Comes after all of those, and is the first to be told.
  await scratch.write('models/m/index.py', 'a = 2 # longer')
  await toldOf(told, 'model')
})

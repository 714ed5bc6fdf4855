import assert from 'node:assert/strict'
import test from 'node:test'
import { compareSettings, type SettingsDiff } from '../../../src/config/compare-settings.ts'
import { loadSettings } from '../../../src/config/load.ts'
import type { Settings } from '../../../src/config/settings.ts'
import { Scratch } from '../../support/scratch.ts'

interface Site {
  readonly broker?: string
  readonly rules?: readonly string[]
  readonly more?: string
}

const rule = (name: string, more = ''): string =>
  `  - { name: ${name}, sub: { name: plant, topic: in/${name} }, pub: { name: plant, topic: out }, funcs: [m]${more} }\n`

async function settingsOf(scratch: Scratch, { broker, rules, more }: Site): Promise<Settings> {
  const text =
    `mqtts:\n  - { name: plant, ${broker ?? 'broker: tcp://127.0.0.1:1883'} }\n` +
    `rules:\n${(rules ?? [rule('a'), rule('b')]).join('')}funcs:\n  - modelName: m\n${more ?? ''}\n`
  const file = await scratch.write('config.yaml', text)
  return loadSettings(file, { env: {}, cwd: scratch.folder }).settings
}

async function compare(before: Site, after: Site): Promise<SettingsDiff> {
  await using scratch = await Scratch.make()
  const running = await settingsOf(scratch, before)
  const loaded = await settingsOf(scratch, after)
  return compareSettings(running, loaded, loaded)
}

/** Rule and name of each pipeline. */
function shown(diff: SettingsDiff): Record<string, string[]> {
  const { needsRestart: _, ...lists } = diff
  const entries = Object.entries(lists).map(([kind, list]) => [
    kind,
    list.map(({ rule, name }) => `${rule}=${name.replace('sub_process_plant_m', '')}`),
  ])
  return Object.fromEntries(entries.filter(([, list]) => list!.length > 0)) as Record<
    string,
    string[]
  >
}

test('the same file changes nothing', async () => {
  assert.deepEqual(shown(await compare({}, {})), { unchanged: ['a=_0', 'b=_1'] })
})

test('a change of one rule is a change of its pipelines alone', async () => {
  const after = { rules: [rule('a'), rule('b', ', queue: { size: 7 }')] }
  assert.deepEqual(shown(await compare({}, after)), { unchanged: ['a=_0'], changed: ['b=_1'] })
})

test('a rule that is put in front changes no name of those that run', async () => {
  const diff = await compare({}, { rules: [rule('new'), rule('a'), rule('b')] })
  assert.deepEqual(shown(diff), { unchanged: ['a=_0', 'b=_1'], added: ['new=_2'] })
})

test('a rule that goes leaves its name to one that comes, and the others keep theirs', async () => {
  const diff = await compare({}, { rules: [rule('b'), rule('c')] })
  assert.deepEqual(shown(diff), { unchanged: ['b=_1'], added: ['c=_0'], removed: ['a=_0'] })
})

test('rules in another order are the same rules', async () => {
  const diff = await compare({}, { rules: [rule('b'), rule('a')] })
  assert.deepEqual(shown(diff), { unchanged: ['b=_1', 'a=_0'] })
})

test('a broker that changed, its password included, changes every pipeline on it', async () => {
  const before = { broker: 'broker: tcp://127.0.0.1:1883, username: u, password: one' }
  const after = { broker: 'broker: tcp://127.0.0.1:1883, username: u, password: two' }
  const diff = await compare(before, after)
  assert.deepEqual(shown(diff), { changed: ['a=_0', 'b=_1'] })
  assert.ok(!JSON.stringify(diff.needsRestart).includes('two'))
})

test('another name of the model is a changed pipeline with the name that fits', async () => {
  await using scratch = await Scratch.make()
  const running = await settingsOf(scratch, {})
  const pipelines = running.pipelines.map((one) =>
    one.rule === 'a' ? { ...one, name: 'sub_process_plant_other_0' } : one,
  )
  const diff = compareSettings(running, { ...running, pipelines }, running)
  assert.equal(diff.changed[0]?.name, 'sub_process_plant_other_0')
})

test('what only a restart changes is named, and never its value', async () => {
  const after = { more: 'web: { port: 1, token: hidden }\nstateFolder: elsewhere' }
  const diff = await compare({}, after)
  assert.deepEqual(diff.needsRestart.toSorted(), ['stateFolder', 'web.port', 'web.token'])
})

test('a pipeline whose embedded broker only a restart starts is left as it is', async () => {
  const port = (port: number): Site => ({ broker: `broker: "embedded://127.0.0.1:${port}"` })
  const diff = await compare(port(1883), port(1884))
  assert.deepEqual(shown(diff), { postponed: ['a=_0', 'b=_1'] })
  assert.deepEqual(diff.needsRestart, ['mqtts'])
})

test('a broker that was embedded and is one of its own now is applied', async () => {
  const diff = await compare({ broker: 'broker: "embedded://127.0.0.1:1883"' }, {})
  assert.deepEqual(shown(diff), { changed: ['a=_0', 'b=_1'] })
  assert.deepEqual(diff.needsRestart, ['mqtts'])
})

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { readManifest } from '../../../../src/config/manifest/read-manifest.ts'
import { addListCommand } from '../../../../src/cli/model/list.ts'
import { systemClock } from '../../../../src/core/clock.ts'
import { silentLogger } from '../../../../src/core/log.ts'
import { ModelStore } from '../../../../src/models/model-store.ts'
import { noProof, roomyLimits } from '../../../support/roomy-limits.ts'
import { Scratch } from '../../../support/scratch.ts'
import { pythonModel } from '../../../support/zip-bytes.ts'
import { runCommand } from '../run-command.ts'

const configuration = `
mqtts: [{ name: plant, broker: "tcp://127.0.0.1:1" }]
rules: [{ name: pumps, sub: { name: plant, topic: in }, pub: { name: plant, topic: out } }]
funcs: [{ modelName: one }]
models: { folder: models }
web: { enabled: false }
`

async function scratchWithModels(context: TestContext): Promise<Scratch> {
  const scratch = await Scratch.make()
  context.after(() => scratch[Symbol.asyncDispose]())
  const models = scratch.path('models')
  const settings = {
    folder: models,
    download: 'missing' as const,
    ...noProof,
    limits: roomyLimits,
  }
  await scratch.write('c.yaml', configuration)
  for (const [name, version] of [
    ['one', '1'],
    ['one', '2'],
    ['two', '2'],
  ]) {
    await scratch.write(`${name}.zip`, await pythonModel(version ?? ''))
    const store = new ModelStore({ settings, clock: systemClock, log: silentLogger, readManifest })
    const address = scratch.path(`${name}.zip`)
    await store.versions.confirm(await store.resolve({ name: name ?? '', address }))
  }
  await scratch.write('models/placed/index.ts', 'export const handler = () => 1\n')
  await scratch.write('models/empty/notes.txt', 'nothing here\n')
  return scratch
}

const listed = async (scratch: Scratch, ...args: string[]): Promise<string> =>
  (await runCommand(addListCommand, ['list', ...args], { cwd: scratch.folder })).stdout

test('shows versions with their states, who uses them, and what is shared', async (context) => {
  const scratch = await scratchWithModels(context)
  const text = await listed(scratch, '-c', 'c.yaml')
  assert.match(text, /^MODEL +VERSION +SHA-256/)
  assert.match(text, /^one +\S{12} +\S{12} +python +\d+ B +active +pumps +\d{4}-/m)
  assert.match(text, /^one .* previous +- /m)
  assert.match(text, /^two .* active +- /m)
  assert.match(text, /^placed +folder +- +javascript /m)
  assert.match(text, /^empty folder: .*nothing to start with/m)
  assert.match(text, /On the disk once, because the packages are the same: one, two/)
})

test('gives a program all facts as JSON', async (context) => {
  const scratch = await scratchWithModels(context)
  const all = JSON.parse(await listed(scratch, '--models', 'models', '--json')) as {
    name: string
    state: string
    sha256?: string
    sharedWith: string[]
  }[]
  assert.deepEqual(
    all.map(({ name, state }) => `${name} ${state}`),
    ['empty folder', 'one active', 'one previous', 'placed folder', 'two active'],
  )
  assert.deepEqual(all[1]?.sharedWith, ['two'])
  assert.equal(all[1]?.sha256, all[4]?.sha256)
})

test('says which record cannot be read', async (context) => {
  const scratch = await scratchWithModels(context)
  await scratch.write('models/.edgeboot/active/one.json', 'torn')
  const args = ['list', '--models', 'models']
  const { stdout, stderr } = await runCommand(addListCommand, args, { cwd: scratch.folder })
  assert.match(stderr, /one\.json counts as absent: it is not JSON/)
  assert.match(stdout, /^- .* kept /m)
})

test('asks for the place when there is neither a configuration nor a folder', async (context) => {
  const scratch = await Scratch.make()
  context.after(() => scratch[Symbol.asyncDispose]())
  await assert.rejects(listed(scratch), { code: 'CLI_USAGE' })
  assert.match(await listed(scratch, '--models', 'nowhere'), /^no model in .*nowhere\n$/)
})

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadAppStarters } from '../../../src/cli/load-app.ts'
import { Workbench } from '../../support/workbench.ts'

let bench: Workbench
before(async () => {
  bench = await Workbench.open()
})
after(() => bench.close())

const app = (name: string): string => `export default { starters: [{ name: '${name}' }] }\n`

test('a file that --app names and that is not there is said to be missing', async () => {
  const file = join(bench.folder, 'nothing.ts')
  await assert.rejects(loadAppStarters('nothing.ts', bench.folder, 'config.yaml'), {
    code: 'CLI_APP_INVALID',
    message: `there is no file ${file}`,
    fix: /--app/,
  })
})

test('without edgeboot.config.* there are no starters', async () => {
  const config = join(bench.folder, 'conf/config.yaml')
  assert.deepEqual(await loadAppStarters(undefined, bench.folder, config), [])
})

test('the working folder comes before the folder of the configuration', async () => {
  await bench.write('work/edgeboot.config.ts', app('of-the-working-folder'))
  await bench.write('conf/edgeboot.config.ts', app('of-the-configuration'))
  const config = join(bench.folder, 'conf/config.yaml')
  const names = async (cwd: string): Promise<string[]> =>
    (await loadAppStarters(undefined, cwd, config)).map(({ name }) => name)
  assert.deepEqual(await names(join(bench.folder, 'work')), ['of-the-working-folder'])
  assert.deepEqual(await names(bench.folder), ['of-the-configuration'])
})

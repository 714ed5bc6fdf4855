import assert from 'node:assert/strict'
import { test } from 'node:test'
import { detectModule } from '../../../src/models/detect-module.ts'
import { Scratch } from '../../support/scratch.ts'

const module = { name: 'industry.telemetry', function: 'telm_temperature' }

test("finds the module and the function of v0's edge_mode", async () => {
  for (const file of ['industry/telemetry.py', 'industry/telemetry/__init__.py']) {
    await using scratch = await Scratch.make()
    const entryFile = await scratch.write(file)
    const found = await detectModule([scratch.path('none'), scratch.folder], module, 'm')
    assert.deepEqual(found, {
      runtime: 'python',
      format: 'module',
      folder: scratch.folder,
      entryFile,
      functionName: 'telm_temperature',
    })
  }
})

test('says where a missing module was looked for', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('industry.py')
  await assert.rejects(detectModule([scratch.folder], module, 'm'), {
    code: 'MODEL_NO_ENTRY',
    message: /industry\/telemetry.py and industry\/telemetry\/__init__.py.*has industry.py/,
  })
})

test('refuses a module name that is a path', async () => {
  for (const name of ['../evil', 'a..b', 'a/b', '', '.a', 'a b']) {
    const wanted = detectModule(['/'], { ...module, name }, 'm')
    await assert.rejects(wanted, { code: 'CONFIG_INVALID' }, name)
  }
})

test('accepts a module with a Chinese name', async () => {
  await using scratch = await Scratch.make()
  const entryFile = await scratch.write('行业/温度.py')
  const found = await detectModule([scratch.folder], { ...module, name: '行业.温度' }, 'm')
  assert.equal(found.entryFile, entryFile)
})

import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import type { Settings } from '../../../src/config/settings.ts'
import { StateLock } from '../../../src/config/state-lock.ts'
import { config, folder, settingsOf } from './config-files.ts'

/** Settings with a state folder of their own, not made yet. */
function settingsWith(state: string, qos: 0 | 1): Settings {
  return settingsOf(config({ mqtt: `, qos: ${qos}`, rest: `stateFolder: ${state}` }))
}

test('refuses a second edgeboot the state folder, and names the first', async () => {
  const settings = settingsWith('locked', 1)
  const lock = await StateLock.take(settings)
  assert.ok(lock !== undefined)
  const holder = `(process ${process.pid}, ${join(folder, 'c.yaml')})`
  await assert.rejects(StateLock.take(settings), {
    code: 'CONFIG_STATE_IN_USE',
    message: `the state folder ${join(folder, 'locked')} is in use by another edgeboot ${holder}`,
  })
  rmSync(join(folder, 'locked/lock.holder'))
  await assert.rejects(StateLock.take(settings), { message: /is in use by another edgeboot$/ })
  lock.release()
})

test('gives the folder back', async () => {
  const settings = settingsWith('given-back', 1)
  for (let turn = 0; turn < 2; turn++) {
    const lock = await StateLock.take(settings)
    assert.ok(lock !== undefined)
    lock.release()
  }
  assert.equal(
    readFileSync(join(folder, 'given-back/lock.holder'), 'utf8'),
    `process ${process.pid}, ${settings.file}\n`,
  )
})

test('lets edgeboots with a folder each run side by side', async () => {
  const locks = [
    await StateLock.take(settingsWith('one', 1)),
    await StateLock.take(settingsWith('two', 1)),
  ]
  for (const lock of locks) {
    assert.ok(lock !== undefined)
    lock.release()
  }
})

test('leaves the disk alone when there is nothing to keep', async () => {
  assert.equal(await StateLock.take(settingsWith('unused', 0)), undefined)
  assert.equal(existsSync(join(folder, 'unused')), false)
})

test('writes no byte to hold the lock, so that a full disk is no obstacle', async () => {
  const lock = await StateLock.take(settingsWith('unwritten', 1))
  assert.equal(statSync(join(folder, 'unwritten/lock')).size, 0)
  assert.equal(existsSync(join(folder, 'unwritten/lock-journal')), false)
  lock?.release()
})

test('takes what an earlier run left, unless another edgeboot has it', async () => {
  const holder = await StateLock.take(settingsWith('left', 1))
  assert.equal(await StateLock.take(settingsWith('left', 0)), undefined)
  holder?.release()
  const lock = await StateLock.take(settingsWith('left', 0))
  assert.ok(lock !== undefined)
  lock.release()
})

test('takes the folder for a spool alone', async () => {
  const settings = settingsOf(`
mqtts: [{ name: a, broker: tcp://h }, { name: b, broker: tcp://i, qos: 1 }]
rules: [{ sub: { name: a, topic: x }, pub: { name: b, topic: y } }]
funcs: [{ modelName: m }]
stateFolder: spool-alone
`)
  const lock = await StateLock.take(settings)
  assert.ok(lock !== undefined)
  lock.release()
})

test('says which folder cannot be used and why', async () => {
  writeFileSync(join(folder, 'a-file'), '')
  await assert.rejects(StateLock.take(settingsWith('a-file', 1)), {
    code: 'CONFIG_STATE_UNUSABLE',
    message: /^the state folder \S+\/a-file cannot be used: EEXIST/,
  })
  await assert.rejects(StateLock.take(settingsWith('/dev/null/state', 1)), {
    code: 'CONFIG_STATE_UNUSABLE',
    message: /^the state folder \/dev\/null\/state cannot be used: ENOTDIR/,
  })
  await assert.rejects(StateLock.take(settingsWith('/proc/none/state', 1)), {
    code: 'CONFIG_STATE_UNUSABLE',
    message: /^the state folder \/proc\/none\/state cannot be used: ENOENT/,
  })
})

test('does not take another file for its lock', async () => {
  const settings = settingsWith('foreign', 1)
  const lock = await StateLock.take(settings)
  lock?.release()
  writeFileSync(join(folder, 'foreign/lock'), 'something else\n'.repeat(100))
  await assert.rejects(StateLock.take(settings), {
    code: 'CONFIG_STATE_UNUSABLE',
    message: /file is not a database/,
  })
})

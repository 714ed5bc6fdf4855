import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after } from 'node:test'
import { loadSettings } from '../../../src/config/load.ts'
import { StateLock } from '../../../src/config/state-lock.ts'

const folder = mkdtempSync(join(tmpdir(), 'edgeboot-lock-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test('gives the state folder back when the process that has it is killed', async () => {
  const file = join(folder, 'c.yaml')
  writeFileSync(
    file,
    `
mqtts: [{ name: a, broker: tcp://h, qos: 1 }]
rules: [{ name: r, sub: { name: a, topic: x }, pub: { name: a, topic: y } }]
funcs: [{ modelName: m }]
`,
  )
  const { settings } = loadSettings(file, { env: {}, cwd: folder })
  const holder = fork(
    join(import.meta.dirname, '../../fixtures/config/hold-state-lock.ts'),
    [file],
    {
      cwd: folder,
    },
  )
  const ended = once(holder, 'exit')
  try {
    const [said] = await Promise.race([
      once(holder, 'message'),
      ended.then(() => assert.fail('the holder ended')),
    ])
    assert.equal(said, 'held')
    await assert.rejects(StateLock.take(settings), {
      code: 'CONFIG_STATE_IN_USE',
      message: new RegExp(`\\(process ${holder.pid}, ${file}\\)$`),
    })
  } finally {
    holder.kill('SIGKILL')
    await ended
  }
  const lock = await StateLock.take(settings)
  assert.ok(lock !== undefined)
  lock.release()
})

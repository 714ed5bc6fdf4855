import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after } from 'node:test'
import { Boot } from '../../../src/boot/boot.ts'
import { loadSettings } from '../../../src/config/load.ts'
import { StateLock } from '../../../src/config/state-lock.ts'
import { silentLogger } from '../../../src/core/log.ts'
import { ConfStarter } from '../../../src/starters/conf-starter.ts'

const folder = mkdtempSync(join(tmpdir(), 'edgeboot-conf-'))
after(() => rmSync(folder, { recursive: true, force: true }))
writeFileSync(
  join(folder, 'c.yaml'),
  `
mqtts: [{ name: a, broker: tcp://h, qos: 1 }]
rules: [{ name: r, sub: { name: a, topic: x }, pub: { name: a, topic: y } }]
funcs: [{ modelName: m }]
`,
)

test('has the state folder from its start to its stop, and no second one starts meanwhile', async () => {
  const loaded = loadSettings('c.yaml', { env: {}, cwd: folder })
  const first = new Boot({ starters: [new ConfStarter(() => loaded)], log: silentLogger })
  const second = new Boot({ starters: [new ConfStarter(() => loaded)], log: silentLogger })
  await first.start()
  await assert.rejects(second.start(), { code: 'CONFIG_STATE_IN_USE' })
  await first.stop()
  const lock = await StateLock.take(loaded.settings)
  assert.ok(lock !== undefined)
  lock.release()
})

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Boot } from '../../../src/boot/boot.ts'
import { defineStarter } from '../../../src/boot/starter.ts'
import { loadAppStarters } from '../../../src/cli/load-app.ts'
import { systemViewKey } from '../../../src/starters/services.ts'
import { fakeSystem, pipeline } from '../../unit/web/fake-system.ts'
import { RecordedLog } from '../../support/recorded-log.ts'

const example = fileURLToPath(
  new URL('../../../examples/own-starter/edgeboot.config.ts', import.meta.url),
)

test('the starters of examples/own-starter run, and the heartbeat tells what is ready', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'edgeboot-own-starter-'))
  const before = process.cwd()
  t.after(() => {
    process.chdir(before)
    rmSync(folder, { recursive: true, force: true })
  })
  const own = await loadAppStarters(example, before, join(folder, 'config.yaml'))
  process.chdir(folder) // the heartbeat is written to the working folder
  const view = fakeSystem([pipeline({ name: 'a' }), pipeline({ name: 'b', state: 'BROKEN' })])
  const provider = defineStarter({
    name: 'processor',
    init: (context) => context.provide(systemViewKey, view),
  })
  const { logger: log, lines } = new RecordedLog()
  const boot = new Boot({ starters: [provider, ...own], log })
  assert.equal(await boot.start(), 'serving')
  await boot.stop()
  const beat = JSON.parse(readFileSync('heartbeat.json', 'utf8')) as Record<string, unknown>
  assert.equal(beat['ready'], 1)
  assert.equal(beat['pipelines'], 2)
  assert.ok(lines.some(({ event }) => event === 'hello.started'))
})

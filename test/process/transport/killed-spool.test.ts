import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { SqliteSpool } from '../../../src/transport/spool/sqlite-spool.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { Scratch } from '../../support/scratch.ts'

const writer = new URL('../../fixtures/spool-writer.ts', import.meta.url).pathname

test('every result that was reported as spooled is there after SIGKILL, again and again', async () => {
  await using scratch = await Scratch.make()
  const file = scratch.path('spool.db')
  const log = new RecordedLog()
  const reported: number[] = []
  for (let round = 0; round < 6; round++) {
    const from = (reported.at(-1) ?? 0) + 1000
    // The number of lines after which it is killed; where in a commit that is, is chance.
    const lines = 50 + Math.floor(Math.random() * 1500)
    reported.push(...(await writeUntilKilled(file, from, lines)))
    const spool = new SqliteSpool({ file, clock: new FakeClock(), log: log.logger })
    const found = new Set<number>()
    for (const record of spool.read(spool.first, Number.MAX_SAFE_INTEGER, Infinity)) {
      assert.ok(!('damaged' in record), `record ${record.seq}`)
      found.add(Number(record.message.topic))
    }
    spool.close()
    const missing = reported.filter((number) => !found.has(number))
    assert.deepEqual(missing, [])
  }
  assert.deepEqual(log.of('spool.damaged'), [])
})

/** Lets a child write, kills it after so many results, and gives those that it had reported. */
async function writeUntilKilled(file: string, from: number, lines: number): Promise<number[]> {
  const child = spawn(process.execPath, [writer, file, String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
    if (text.split('\n').length > lines) child.kill('SIGKILL')
  })
  await closed
  assert.equal(child.signalCode, 'SIGKILL')
  // The last line may have been cut short by the kill.
  return text.split('\n').slice(0, -1).map(Number)
}

/** A host that writes, the command line that drops, and SIGKILL: on one file, at the same time. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { LetterArchive } from '../../../src/dead-letters/letter-archive.ts'
import { Scratch } from '../../support/scratch.ts'
import { until } from '../../support/wait.ts'

const writer = new URL('../../fixtures/letter-writer.ts', import.meta.url).pathname

test('every letter that was reported is there after SIGKILL, but for those that were dropped meanwhile', async () => {
  await using scratch = await Scratch.make()
  const file = scratch.path('dead-letters/r.f.sqlite')
  const archive = new LetterArchive(dirname(file))
  const reported: string[] = []
  const dropped = new Set<string>()
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, [writer, file], { stdio: ['ignore', 'pipe', 'pipe'] })
    const closed = once(child, 'close')
    let text = ''
    let complaint = ''
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part))
    child.stderr.setEncoding('utf8').on('data', (part: string) => (complaint += part))
    const lines = (): number => text.split('\n').length
    for (let drops = 1; drops <= 5; drops++) {
      // Where in a commit it is killed, is chance.
      await until(
        'more letters',
        () => lines() > drops * 60 + Math.random() * 40 || complaint !== '',
      )
      const { letters, problems } = archive.read()
      assert.deepEqual(problems, [])
      const some = letters.filter((_letter, i) => i % 3 === 0)
      assert.equal(archive.drop(some), some.length)
      for (const { id } of some) dropped.add(id)
    }
    child.kill('SIGKILL')
    await closed
    assert.equal(complaint, '')
    // The last line may have been cut short by the kill.
    reported.push(...text.split('\n').slice(0, -1))
  }
  const kept = new Set(archive.read().letters.map(({ id }) => id))
  const missing = reported.filter((id) => !kept.has(id) && !dropped.has(id))
  assert.deepEqual(missing, [])
  assert.ok(dropped.size > 100)
  assert.deepEqual(
    [...dropped].filter((id) => kept.has(id)),
    [],
  )
})

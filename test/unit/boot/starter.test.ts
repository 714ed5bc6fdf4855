import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Boot } from '../../../src/boot/boot.ts'
import { defaultPriority, defineStarter, PriorityGroup } from '../../../src/boot/starter.ts'
import { silentLogger } from '../../../src/core/log.ts'

test('fills in everything that a definition leaves out', async () => {
  const starter = defineStarter({ name: 'bare' })
  assert.equal(starter.priorityGroup, PriorityGroup.BasicResources)
  assert.equal(starter.priority, defaultPriority)
  assert.equal(starter.blocking, false)
  const boot = new Boot({ starters: [starter], log: silentLogger })
  assert.equal(await boot.start(), 'serving')
  await boot.stop()
})

test('keeps what a definition says', () => {
  const starter = defineStarter({
    name: 'full',
    priorityGroup: PriorityGroup.System,
    priority: 0,
    blocking: true,
    startDeadlineMs: 1,
    stopDeadlineMs: 2,
  })
  const { name, priorityGroup, priority, blocking, startDeadlineMs, stopDeadlineMs } = starter
  assert.deepEqual(
    [name, priorityGroup, priority, blocking, startDeadlineMs, stopDeadlineMs],
    ['full', 30, 0, true, 1, 2],
  )
})

test('keeps the this of a definition that is an instance of a class', async () => {
  class Counter {
    readonly name = 'counter'
    starts = 0
    start(): void {
      this.starts += 1
    }
  }
  const counter = new Counter()
  const boot = new Boot({ starters: [defineStarter(counter)], log: silentLogger })
  await boot.start()
  await boot.stop()
  assert.equal(counter.starts, 1)
})

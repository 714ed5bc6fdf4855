import assert from 'node:assert/strict'
import test from 'node:test'
import { Admission } from '../../../src/pipeline/admission.ts'
import { Lanes } from '../../../src/pipeline/lanes.ts'
import type { Task } from '../../../src/pipeline/task.ts'
import type { WhenFull } from '../../../src/config/settings.ts'

/** Admission over lanes of at most 3 tasks and 100 bytes, with what it turned away and told. */
class Bench {
  readonly lanes = new Lanes<Task>()
  readonly turnedAway: number[] = []
  readonly told: string[] = []
  readonly admission: Admission
  #serial = 0

  constructor(whenFull: WhenFull) {
    this.admission = new Admission({
      lanes: this.lanes,
      source: { pause: () => this.told.push('pause'), resume: () => this.told.push('resume') },
      whenFull,
      itemsMax: 3,
      bytesMax: 100,
      turnedAway: (task) => this.turnedAway.push(Number(task.device)),
    })
  }

  admit(...sizes: readonly number[]): void {
    for (const bytes of sizes) {
      const device = String(this.#serial++)
      this.admission.admit({
        device,
        key: undefined,
        bytes,
        attempts: 0,
        company: undefined,
        id: undefined,
      } as Task)
    }
  }

  get waiting(): number[] {
    return this.lanes.clear().map(({ device }) => Number(device))
  }
}

test('drop-oldest makes room in number and in bytes, as much as the new event takes', () => {
  const bench = new Bench('drop-oldest')
  bench.admit(30, 30, 30, 30)
  assert.deepEqual(bench.turnedAway, [0])
  bench.admit(80)
  assert.deepEqual(bench.turnedAway, [0, 1, 2, 3])
  assert.deepEqual(bench.waiting, [4])
})

test('drop-newest turns the new event away when there is no room for it', () => {
  const bench = new Bench('drop-newest')
  bench.admit(60, 60, 30)
  assert.deepEqual(bench.turnedAway, [1])
  assert.deepEqual(bench.waiting, [0, 2])
})

test('one event larger than all the room is let in when nothing else waits', () => {
  const bench = new Bench('drop-oldest')
  bench.admit(10, 500)
  assert.deepEqual(bench.turnedAway, [0])
  assert.deepEqual(bench.waiting, [1])
})

test('block pauses the source at the bound of items, and resumes it at half', () => {
  const bench = new Bench('block')
  bench.admit(1, 1, 1)
  assert.deepEqual(bench.told, ['pause'])
  bench.lanes.take(1, 1000)
  bench.admission.noticeRoom()
  assert.deepEqual(bench.told, ['pause'])
  bench.lanes.take(1, 1000)
  bench.admission.noticeRoom()
  assert.deepEqual(bench.told, ['pause', 'resume'])
  assert.deepEqual(bench.turnedAway, [])
})

test('block pauses the source at the bound of bytes as well', () => {
  const bench = new Bench('block')
  bench.admit(100)
  assert.deepEqual(bench.told, ['pause'])
  bench.lanes.take(1, 1000)
  bench.admission.noticeRoom()
  assert.deepEqual(bench.told, ['pause', 'resume'])
})

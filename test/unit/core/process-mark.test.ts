import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  childMark,
  isBelow,
  mainMark,
  mainOf,
  markIn,
  startTimeIn,
} from '../../../src/core/process-mark.ts'

const main = mainMark(4711, '1850232')
const host = childMark(main, 3)
const runner = childMark(host, 7)

describe('the mark of a process', () => {
  test('says who started it', () => {
    assert.equal(runner, '4711:1850232:3:7')
    assert.deepEqual(mainOf(runner), { pid: 4711, startTime: '1850232' })
    assert.ok(isBelow(runner, host) && isBelow(runner, main) && isBelow(host, main))
    assert.ok(!isBelow(host, host) && !isBelow(main, host))
  })

  test('is not taken for that of another whose number begins alike', () => {
    assert.ok(!isBelow(childMark(main, 31), host))
    assert.ok(!isBelow('47110:1850232:1', '4711:1850232'))
  })

  test('is found in an environment, wherever it stands', () => {
    for (const environ of [
      `EDGEBOOT_RUNNER=${runner}\0PATH=/bin\0`,
      `PATH=/bin\0EDGEBOOT_RUNNER=${runner}\0`,
      `PATH=/bin\0EDGEBOOT_RUNNER=${runner}`,
    ]) {
      assert.equal(markIn(environ), runner)
    }
  })

  test('is not found in the value of another variable, or in a longer name', () => {
    assert.equal(markIn(`ABOUT=EDGEBOOT_RUNNER=${runner}\0`), undefined)
    assert.equal(markIn(`MY_EDGEBOOT_RUNNER=${runner}\0`), undefined)
    assert.equal(markIn(''), undefined)
  })

  test('is none when it is not written as one', () => {
    for (const value of ['', '4711', '4711:', ':1:2', '4711:1:2:3:4', '-1:2:3', '1:2:x', ' 1:2']) {
      assert.equal(markIn(`EDGEBOOT_RUNNER=${value}\0`), undefined, value)
    }
  })

  test('is read from anything without an exception', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        assert.equal(markIn(text), undefined)
        startTimeIn(text)
      }),
    )
  })
})

test('the start of a process is found whatever its name is', () => {
  const rest = `S 1 4711 4711 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 1850232 1000 100`
  for (const name of ['node', 'a b', ') S 1 1', '(((']) {
    assert.equal(startTimeIn(`4711 (${name}) ${rest}`), '1850232', name)
  }
  assert.equal(startTimeIn(''), undefined)
})

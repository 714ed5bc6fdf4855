import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ReadPacer, readPauseMs } from '../../../../src/transport/mqtt/read-pacer.ts'

/** Turns that each bring `bytes`, `gapMs` apart, until reading is to stop. @returns How many it took. */
function turnsUntilPause(pacer: ReadPacer, gapMs: number, bytes = 300): number {
  for (let turn = 1; turn <= 1000; turn++) {
    if (pacer.read(turn * gapMs, bytes)) return turn
  }
  return Number.POSITIVE_INFINITY
}

describe('ReadPacer', () => {
  test('pauses once messages come in quick succession', () => {
    assert.equal(turnsUntilPause(new ReadPacer(), 0.2), 9)
  })

  test('never holds up messages that come at less than five hundred a second', () => {
    assert.equal(turnsUntilPause(new ReadPacer(), 2.1), Number.POSITIVE_INFINITY)
  })

  test('lets a large amount through: there is nothing to gain', () => {
    assert.equal(turnsUntilPause(new ReadPacer(), 0.2, 64 * 1024), Number.POSITIVE_INFINITY)
  })

  test('pauses again when something came soon after a pause', () => {
    const pacer = new ReadPacer()
    const at = turnsUntilPause(pacer, 0.2) * 0.2 + readPauseMs
    pacer.resumed(at)
    assert.equal(pacer.read(at + 3.5, 300), true)
  })

  test('begins anew when nothing came for a while after a pause', () => {
    const pacer = new ReadPacer()
    const at = turnsUntilPause(pacer, 0.2) * 0.2 + readPauseMs
    pacer.resumed(at)
    assert.equal(pacer.read(at + 5, 300), false)
    assert.equal(pacer.read(at + 5.1, 300), false)
  })
})

import assert from 'node:assert/strict'
import test from 'node:test'
import { renderTable, type TableRow } from '../../../src/cli/live-table.ts'
import type { PipelineStatus } from '../../../src/host/system-view.ts'
import { Ledger } from '../../../src/pipeline/ledger.ts'

function row(
  status: Partial<PipelineStatus> = {},
  fill: (ledger: Ledger) => void = () => {},
): TableRow {
  const ledger = new Ledger()
  fill(ledger)
  const live = {
    preQueue: 3,
    inRunners: 2,
    postQueue: 1,
    deadLettersWaiting: 0,
    unacknowledged: 0,
    runnerRestarts: 0,
    runnerRecycles: 0,
    reconnects: 0,
  }
  return {
    status: {
      name: 'sub_process_b1_echo_0',
      rule: 'echo',
      model: 'echo',
      state: 'READY',
      since: 0,
      reason: '',
      restarts: 0,
      ...status,
    },
    stats: ledger.snapshot(live),
    perSecond: 1234.4,
  }
}

test('shows state, counts, rate, latency and queues of each pipeline', () => {
  const [headings, line] = renderTable(
    [
      row({}, (ledger) => {
        for (let i = 0; i < 1500; i++) ledger.received(10, false)
        for (let i = 0; i < 1400; i++) ledger.published(10, 0.9)
      }),
    ],
    200,
  )
  assert.equal(
    headings,
    'PIPELINE               STATE     IN    OUT  PER S     P50     P99  QUEUES  DROPPED',
  )
  assert.match(
    line ?? '',
    /^sub_process_b1_echo_0  READY  1,500  1,400  1,234  .* ms {2}.* ms {3}3\/2\/1$/,
  )
})

test('names what gave no result by its reason', () => {
  const [, line] = renderTable(
    [
      row({}, (ledger) => {
        for (let i = 0; i < 3; i++) ledger.dropped('device')
        ledger.dropped('decode')
      }),
    ],
    200,
  )
  assert.match(line ?? '', /decode 1, device 3$/)
})

test('says why under a pipeline that is not READY', () => {
  const lines = renderTable([row({ state: 'BROKEN', reason: 'model: no handler' })], 200)
  assert.equal(lines[2], '  └ model: no handler')
})

test('a pipeline without results has no latency, rather than a zero', () => {
  const [, line] = renderTable([row()], 200)
  assert.match(line ?? '', / - {2,}- /)
})

test('columns stay aligned under names in Chinese, which take two places a character', () => {
  const lines = renderTable([row({ name: '三厂测试' }), row({ name: 'abcdefgh' })], 200)
  // Four characters of two columns each, and eight of one: the rest of the lines is the same.
  assert.equal(lines[1]?.slice(4), lines[2]?.slice(8))
})

test('lines are cut to the width of the terminal, wide characters included', () => {
  const reason = '设备'.repeat(100)
  const lines = renderTable([row({ state: 'BACKOFF', reason })], 60)
  for (const line of lines) {
    const characters = Array.from(line)
    const wide = characters.filter((character) => /[设备]/.test(character)).length
    assert.ok(characters.length + wide <= 60, `${line} is too wide`)
  }
})

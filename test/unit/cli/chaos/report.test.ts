import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSound, renderReport, type ChaosReport } from '../../../../src/cli/chaos/report.ts'

const sound: ChaosReport = {
  seed: 7,
  config: 'plant.yaml',
  messages: 12_000,
  seconds: 60,
  faults: { 'kill host': 3, 'kill main': 2, 'cut broker': 1 },
  accounts: [
    {
      pipeline: 'sub_process_plant_m_0',
      sent: 12_000,
      delivered: 11_900,
      deadLettered: 60,
      dropped: { when: 40 },
      lost: 0,
      lostExamples: [],
      inversions: [],
      duplicates: 12,
    },
  ],
  lost: 0,
  inversions: 0,
  recovery: [{ fault: 'kill host', times: 3, medianMs: 480, worstMs: 1500 }],
  recoveredMs: 2100,
  violations: [],
  skipped: [],
}

test('the report says what was done, where every message is, and how long it took', () => {
  assert.equal(isSound(sound), true)
  assert.equal(
    renderReport(sound),
    `
12,000 messages in 60 s, 5 kills, seed 7
faults: kill host 3, kill main 2, cut broker 1

sub_process_plant_m_0
  sent 12,000 = delivered 11,900 + dead-lettered 60 + dropped 40 (40 when) + LOST 0
  12 duplicates, 0 out of order

time until the pipelines answered again what was sent after the fault:
  after kill host  480 ms (median of 3, worst 1.5 s)
after the last fault all was in within 2.1 s

✔ nothing lost, nothing out of order
`,
  )
})

test('what is lost, out of order or otherwise wrong is named, and what was left out is said', () => {
  const [account] = sound.accounts
  assert.ok(account)
  const broken: ChaosReport = {
    ...sound,
    accounts: [{ ...account, lost: 2, lostExamples: ['a/1', 'b/2'], inversions: ['c/3'] }],
    lost: 2,
    inversions: 1,
    violations: ['processes outlived their parent: 12'],
    skipped: ['fill disk: a small disk could not be mounted'],
  }
  assert.equal(isSound(broken), false)
  const text = renderReport(broken)
  assert.match(text, /LOST 2/)
  assert.match(text, /lost, for example: a\/1, b\/2/)
  assert.match(text, /out of order, for example: c\/3/)
  assert.match(text, /left out: fill disk/)
  assert.match(text, /✘ processes outlived their parent: 12/)
  assert.match(text, /✘ 2 lost, 1 out of order, 1 otherwise not as it must be/)
})

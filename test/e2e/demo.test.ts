/** The demo as a newcomer meets it, where standard output is no terminal. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { needsPython } from '../support/python-interpreters.ts'
import { until } from '../support/wait.ts'
import { Workbench } from '../support/workbench.ts'

let bench: Workbench
before(async () => {
  bench = await Workbench.open()
})
after(() => bench.close())

const columns = ['name', 'state', 'in', 'out', 'perSecond', 'p50', 'p99', 'queues', 'dropped']
type Row = Readonly<Record<string, string>>

/** Rows of the last table that was printed: columns are two spaces or more apart. */
function lastTable(text: string): Row[] {
  const lines = text.slice(text.lastIndexOf('PIPELINE')).split('\n')
  return lines
    .filter((line) => line.startsWith('sub_process_'))
    .map((line) => {
      const cells = line.split(/ {2,}/)
      return Object.fromEntries(columns.map((column, index) => [column, cells[index] ?? '']))
    })
}

function number(text: string | undefined): number {
  return Number(text?.replaceAll(',', ''))
}

/** The numbers of `device 3, when 1,200`. */
function total(dropped: string | undefined): number {
  const counts = dropped?.match(/(?<= )\d[\d,]*\d(?=, |$)|(?<= )\d(?=, |$)/g) ?? []
  return counts.reduce((sum, text) => sum + number(text), 0)
}

test(
  'ends by itself with a table and a summary whose numbers add up',
  { skip: needsPython },
  async () => {
    const demo = bench.command('demo', '--seconds', '5', '--port', '0')
    assert.equal(await demo.exited, 0, demo.stderr)
    assert.equal(demo.stderr, '')
    assert.match(demo.stdout, /^ {2}broker {3}mqtt:\/\/127\.0\.0\.1:\d+ /m)
    assert.match(demo.stdout, /^ {2}queues {3}http:\/\/127\.0\.0\.1:\d+\/queue_size_metrics$/m)
    const rows = lastTable(demo.stdout)
    assert.deepEqual(
      rows.map(({ name }) => name),
      ['sub_process_plant_trend_warning_0', 'sub_process_plant_threshold_0'],
    )
    for (const row of rows) {
      assert.ok(number(row['out']) > 0, `${row['name']} published`)
      assert.equal(number(row['out']) + total(row['dropped']), number(row['in']), row['name'])
    }
    const [, sent, published, without] =
      /^([\d,]+) messages sent, ([\d,]+) results published, ([\d,]+) events without a result/m.exec(
        demo.stdout,
      ) ?? []
    const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
    assert.equal(number(published), sum(rows.map((row) => number(row['out']))))
    assert.equal(number(without), sum(rows.map((row) => total(row['dropped']))))
    for (const row of rows) assert.equal(number(row['in']), number(sent), row['name'])
  },
)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(
    `${signal} ends the demo in order, with a summary and status 0`,
    { skip: needsPython },
    async () => {
      const demo = bench.command('demo', '--port', '0')
      await until('the first table', () => demo.stdout.includes('sub_process_plant_threshold_0'))
      demo.signal(signal)
      assert.equal(await demo.exited, 0, demo.stderr)
      assert.match(demo.stdout, /messages sent, [1-9][\d,]* results published/)
    },
  )
}

test('a port in use is said in words, with status 4 and without a summary', async () => {
  const blocker = createServer().listen(0, '127.0.0.1')
  await once(blocker, 'listening')
  const address = blocker.address()
  assert.ok(address !== null && typeof address === 'object')
  const demo = bench.command('demo', '--seconds', '5', '--port', String(address.port))
  assert.equal(await demo.exited, 4)
  assert.match(demo.stderr, /WEB_PORT_IN_USE/)
  assert.doesNotMatch(demo.stdout, /messages sent/)
  blocker.close()
})

/**
 * The proof of "nothing lost": `edgeboot chaos` over 100,000 messages and at least 50 kills, spread
 * over runner, host, main and broker. Prints the account as a table in Markdown.
 *
 *   node bench/chaos.ts [--messages 100000] [--rate 800] [--kills 55] [--poison-every 4000]
 *                       [--seed 1] [--json FILE]
 *
 * Exits as `edgeboot chaos` does: 5 when anything was lost or came out of order.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ChaosReport } from '../src/cli/chaos/report.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    rate: { type: 'string', default: '800' },
    kills: { type: 'string', default: '55' },
    // Each that hangs or ends its host holds its pipeline up for seconds: a run is to end some day.
    'poison-every': { type: 'string', default: '4000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
})
const { messages, rate, kills, seed, json } = values
const poison = ['--poison-every', values['poison-every']]
const main = join(import.meta.dirname, '..', 'src', 'main.ts')
const args = [
  '--messages',
  messages,
  '--rate',
  rate,
  '--kills',
  kills,
  '--seed',
  seed,
  '--json',
  ...poison,
]
const child = spawn(process.execPath, [main, 'chaos', ...args], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
let output = ''
child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
const [status] = (await once(child, 'close')) as [number | null]
process.exitCode = status ?? 1
if (output !== '') {
  if (json !== undefined) writeFileSync(json, output)
  print(JSON.parse(output) as ChaosReport)
}

function print(report: ChaosReport): void {
  const faults = Object.entries(report.faults).map(([fault, times]) => `${fault} ${times}`)
  const lines = [
    '',
    `${report.messages} messages in ${report.seconds} s, seed ${report.seed}: ${faults.join(', ')}.`,
    '',
    '| pipeline | sent | delivered | dead-lettered | dropped | lost | out of order | duplicates |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
  ]
  for (const account of report.accounts) {
    const drops = Object.entries(account.dropped).map(([reason, events]) => `${events} ${reason}`)
    const { pipeline, sent, delivered, deadLettered, lost, inversions, duplicates } = account
    lines.push(
      `| \`${pipeline}\` | ${sent} | ${delivered} | ${deadLettered} | ${drops.join(', ') || 0}` +
        ` | ${lost} | ${inversions.length} | ${duplicates} |`,
    )
  }
  lines.push('', '| after | times | median ms | worst ms |', '| --- | --- | --- | --- |')
  for (const { fault, times, medianMs, worstMs } of report.recovery) {
    lines.push(`| ${fault} | ${times} | ${medianMs} | ${worstMs} |`)
  }
  lines.push('', `After the last fault all was in within ${report.recoveredMs} ms.`, '')
  process.stdout.write(lines.join('\n'))
}

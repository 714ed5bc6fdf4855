/**
 * Runs the tests with coverage over all processes, and prints the runner's own summary last.
 *
 *   node scripts/test.ts [FILE…]     default: every test; EDGEBOOT_TEST_REQUIRE_ALL=1 fails what it
 *                                    cannot run for want of Mosquitto or Python
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { createInterface } from 'node:readline'

const named = process.argv.slice(2)
const files = named.length > 0 ? named : globSync('test/**/*.test.ts').toSorted()
const options = [
  '--test',
  '--test-concurrency=2',
  '--test-timeout=300000',
  '--test-reporter=spec',
  '--experimental-test-coverage',
  '--test-coverage-include=src/**/*.ts',
]
const child = spawn(process.execPath, [...options, ...files], {
  stdio: ['ignore', 'pipe', 'inherit'],
})

// The runner prints its summary, then the coverage: the other way round the result stands last.
const summary: string[] = []
const lines = createInterface({ input: child.stdout })
let part: 'tests' | 'summary' | 'coverage' = 'tests'
lines.on('line', (line) => {
  if (part === 'tests' && /^ℹ tests \d+/.test(line)) part = 'summary'
  if (line.startsWith('ℹ start of coverage report')) part = 'coverage'
  if (part === 'summary') summary.push(line)
  else process.stdout.write(`${line}\n`)
  if (line.startsWith('ℹ end of coverage report')) part = 'summary'
})
lines.on('close', () => process.stdout.write(`${summary.join('\n')}\n`))
child.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === null ? 1 : 128)
})

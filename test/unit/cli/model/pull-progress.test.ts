import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PullProgress } from '../../../../src/cli/model/pull-progress.ts'

const mebibyte = 1024 * 1024

/** A progress on a clock that the test moves, and what it printed. */
function progress(columns?: number): {
  progress: PullProgress
  at: (ms: number) => void
  take: () => string
} {
  let now = 0
  let printed = ''
  const io = {
    stdout: (text: string) => void (printed += text),
    stderr: () => {},
    env: {},
    cwd: '/',
    exit: () => {},
    ...(columns === undefined ? {} : { terminal: { columns } }),
  }
  return {
    progress: new PullProgress(io, () => now),
    at: (ms) => void (now = ms),
    take: () => {
      const taken = printed
      printed = ''
      return taken
    },
  }
}

test('draws one line in place on a terminal, with the speed, and leaves it free', () => {
  const bench = progress(80)
  bench.progress.update(mebibyte, 10 * mebibyte)
  assert.equal(bench.take(), '\r1.0 MiB of 10.0 MiB, 10 %\u001b[K')
  bench.at(50)
  bench.progress.update(2 * mebibyte, 10 * mebibyte)
  assert.equal(bench.take(), '', 'not more often than an eye sees')
  bench.at(2000)
  bench.progress.update(5 * mebibyte, 10 * mebibyte)
  assert.equal(bench.take(), '\r5.0 MiB of 10.0 MiB, 50 %, 2.0 MiB/s\u001b[K')
  bench.progress.end()
  assert.equal(bench.take(), '\r\u001b[K')
})

test('is never wider than the terminal', () => {
  const bench = progress(20)
  bench.progress.update(mebibyte, 10 * mebibyte)
  assert.equal(bench.take(), '\r1.0 MiB of 10.0 MiB\u001b[K')
})

test('prints a line for every tenth where there is no terminal', () => {
  const bench = progress()
  for (let percent = 0; percent <= 100; percent++) {
    bench.progress.update(percent * mebibyte, 100 * mebibyte)
  }
  const lines = bench.take().trimEnd().split('\n')
  assert.equal(lines.length, 11)
  assert.equal(lines[5], '50.0 MiB of 100 MiB, 50 %')
  bench.progress.end()
  assert.equal(bench.take(), '')
})

test('does without a size', () => {
  const bench = progress()
  for (let size = 1; size <= 40; size++) bench.progress.update(size * mebibyte, undefined)
  assert.deepEqual(bench.take().trimEnd().split('\n'), [
    '1.0 MiB so far',
    '16.0 MiB so far',
    '32.0 MiB so far',
  ])
})

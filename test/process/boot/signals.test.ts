import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { until } from '../../support/wait.ts'

/** A child that runs one of the fixtures. */
class Child {
  readonly process: ChildProcess
  readonly lines: string[] = []
  readonly #ended: Promise<unknown>

  constructor(t: TestContext, fixture: string) {
    const path = fileURLToPath(new URL(`../../fixtures/boot/${fixture}.ts`, import.meta.url))
    this.process = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'inherit'] })
    createInterface({ input: this.process.stdout! }).on('line', (line) => this.lines.push(line))
    this.#ended = once(this.process, 'close')
    t.after(() => this.process.kill('SIGKILL'))
  }

  /** Waits for a line that begins so; fails when the child ends without it. */
  async says(start: string): Promise<void> {
    await until(`the line "${start}"`, () => {
      if (this.lines.some((line) => line.startsWith(start))) return true
      if (this.process.exitCode !== null) throw new Error(`exited without "${start}"`)
      return false
    })
  }

  /** How it ended: an exit status or the name of the signal that killed it. */
  async end(): Promise<number | string> {
    await this.#ended
    return this.process.exitCode ?? this.process.signalCode ?? 'unknown'
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} stops everything in order and ends with 0`, async (t) => {
    const child = new Child(t, 'nothing-to-do')
    await child.says('boot.started')
    child.process.kill(signal)
    assert.equal(await child.end(), 0)
    const stopped = child.lines.filter((line) => line.startsWith('stopped'))
    assert.deepEqual(stopped, ['stopped second', 'stopped first'])
    assert.match(child.lines.at(-1) ?? '', /^boot\.stopped/)
  })
}

test('a second SIGINT ends a stop that hangs at once, with 130', async (t) => {
  const child = new Child(t, 'hang-on-stop')
  await child.says('boot.started')
  child.process.kill('SIGINT')
  await child.says('boot.stopping')
  // One that follows at once is taken for the same Ctrl-C, so press on until it counts.
  await until('the end of the child', () => {
    child.process.kill('SIGINT')
    return child.process.exitCode !== null
  })
  assert.equal(await child.end(), 130)
  assert.equal(child.lines.includes('stopped first'), false)
})

test('a SIGTERM after a SIGINT ends a stop that hangs at once, with 143', async (t) => {
  const child = new Child(t, 'hang-on-stop')
  await child.says('boot.started')
  child.process.kill('SIGINT')
  await child.says('boot.stopping')
  child.process.kill('SIGTERM')
  assert.equal(await child.end(), 143)
})

test('the two SIGINTs that one Ctrl-C is under npm are one orderly stop', async (t) => {
  const child = new Child(t, 'nothing-to-do')
  await child.says('boot.started')
  child.process.kill('SIGINT')
  child.process.kill('SIGINT')
  assert.equal(await child.end(), 0)
  assert.ok(child.lines.includes('stopped first'))
})

test('SIGTERM during the start stops what was reached and ends with 0', async (t) => {
  const child = new Child(t, 'hang-on-start')
  await child.says('waiting')
  child.process.kill('SIGTERM')
  assert.equal(await child.end(), 0)
  assert.ok(child.lines.includes('stopped first'))
  assert.equal(
    child.lines.some((line) => line.startsWith('boot.started')),
    false,
  )
})

test('SIGHUP does not end it', async (t) => {
  const child = new Child(t, 'nothing-to-do')
  await child.says('boot.started')
  child.process.kill('SIGHUP')
  await child.says('signal.ignored')
  child.process.kill('SIGTERM')
  assert.equal(await child.end(), 0)
})

for (const [fixture, text] of [
  ['throw-later', 'nobody catches this'],
  ['reject-later', 'nobody awaits this'],
] as const) {
  test(`${fixture}: is logged, stops everything in order, and ends with 1`, async (t) => {
    const child = new Child(t, fixture)
    assert.equal(await child.end(), 1)
    const fault = child.lines.find((line) => line.startsWith('process.fault')) ?? ''
    assert.match(fault, /INTERNAL_UNEXPECTED/)
    assert.ok(fault.includes(text))
    assert.ok(child.lines.includes('stopped first'))
  })
}

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { addDlqCommand } from '../../../src/cli/dlq.ts'
import { fit } from '../../../src/cli/dead-letter-text.ts'
import { loadSettings } from '../../../src/config/load.ts'
import { silentLogger } from '../../../src/core/log.ts'
import { newLetterId } from '../../../src/dead-letters/letter-id.ts'
import { SqliteDeadLetters } from '../../../src/dead-letters/sqlite-dead-letters.ts'
import type { DeadLetter } from '../../../src/pipeline/dead-letter.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { Scratch } from '../../support/scratch.ts'
import { type CommandRun, runCommand } from './run-command.ts'

const configuration = (rules: readonly string[]): string => `
mqtts: [{ name: plant, broker: "tcp://127.0.0.1:1" }]
rules: [${rules
  .map(
    (name) =>
      `{ name: ${name}, sub: { name: plant, topic: in/${name} }, pub: { name: plant, topic: out } }`,
  )
  .join(', ')}]
funcs: [{ modelName: m }]
models: { folder: models }
web: { enabled: false }
`

class Bench {
  readonly scratch: Scratch
  readonly #stores = new Map<string, SqliteDeadLetters>()

  private constructor(scratch: Scratch) {
    this.scratch = scratch
  }

  static async open(
    context: TestContext,
    rules: readonly string[] = ['pumps', 'fans'],
  ): Promise<Bench> {
    const scratch = await Scratch.make()
    context.after(() => scratch[Symbol.asyncDispose]())
    await scratch.write('c.yaml', configuration(rules))
    return new Bench(scratch)
  }

  fileOf(rule: string): string {
    const { settings } = loadSettings('c.yaml', { env: {}, cwd: this.scratch.folder })
    const found = settings.pipelines.find((pipeline) => pipeline.rule === rule)
    return found?.deadLetters.store?.file ?? ''
  }

  add(rule: string, ...letters: Partial<DeadLetter>[]): void {
    const file = this.fileOf(rule)
    const settings = { file, itemsMax: 1000, bytesMax: 64 * 1024 * 1024 }
    const store = new SqliteDeadLetters({ settings, clock: systemClock, log: silentLogger })
    this.#stores.set(rule, store)
    const added = letters.map((more): DeadLetter => {
      const payload = Buffer.from('{"a":1}')
      return {
        id: newLetterId(),
        rule,
        func: 'm',
        model: 'm',
        version: '1',
        topic: `in/${rule}`,
        payload,
        payloadBytes: payload.length,
        qos: 1,
        retain: false,
        attempts: 1,
        error: { kind: 'model', code: 'KeyError', text: "'b'" },
        receivedAt: Date.now(),
        diedAt: Date.now(),
        ...more,
      }
    })
    store.write({ added, removed: [], returned: [] })
    store.close()
  }

  run(...args: string[]): Promise<CommandRun> {
    const [command = '', ...rest] = args
    const line = ['dlq', command, '-c', 'c.yaml', ...rest]
    return runCommand(addDlqCommand, line, { cwd: this.scratch.folder })
  }

  async ids(...filters: string[]): Promise<string[]> {
    const { stdout } = await this.run('list', '--json', ...filters)
    return (JSON.parse(stdout) as { id: string }[]).map(({ id }) => id)
  }
}

test('list says that nothing was given up, and makes no folder', async (context) => {
  const bench = await Bench.open(context)
  const { stdout, status } = await bench.run('list')
  assert.match(stdout, /^nothing was given up: there is no dead letter in .*dead-letters\n$/)
  assert.equal(status, 0)
  assert.deepEqual(await bench.scratch.tree(), ['c.yaml'])
})

test('list shows those of all rules, the latest first, and filters them', async (context) => {
  const bench = await Bench.open(context)
  const now = Date.now()
  bench.add('pumps', { id: 'old00000', diedAt: now - 7_200_000 }, { id: 'new00000' })
  bench.add('fans', {
    id: 'mid00000',
    diedAt: now - 60_000,
    error: { kind: 'decode', code: 'not-json', text: 'x' },
  })
  assert.deepEqual(await bench.ids(), ['new00000', 'mid00000', 'old00000'])
  assert.deepEqual(await bench.ids('--rule', 'fans'), ['mid00000'])
  assert.deepEqual(await bench.ids('--kind', 'model'), ['new00000', 'old00000'])
  assert.deepEqual(await bench.ids('--since', '1h'), ['new00000', 'mid00000'])
  assert.deepEqual(await bench.ids('--func', 'none'), [])
  const { stdout } = await bench.run('list', '--limit', '1')
  assert.match(
    stdout,
    /^new00000 +0s +model +pumps\/m +in\/pumps\n +KeyError: 'b'\n\n3 dead letters, 2 of them not shown/,
  )
  assert.match((await bench.run('list', '--rule', 'none')).stdout, /^no dead letter in .* fits/)
})

test('show takes the beginning of an id, and says when it is none or that of several', async (context) => {
  const bench = await Bench.open(context)
  bench.add('pumps', { id: 'abc11111' }, { id: 'abd22222' })
  assert.match((await bench.run('show', 'abc')).stdout, /^dead letter abc11111\n/)
  await assert.rejects(bench.run('show', 'ab'), {
    code: 'CLI_USAGE',
    message: '2 dead letters begin with ab: abd22222, abc11111',
  })
  await assert.rejects(bench.run('show', 'zz'), { code: 'DEAD_LETTERS_NO_SUCH' })
  await assert.rejects(bench.run('show', ''), { code: 'DEAD_LETTERS_NO_SUCH' })
})

test('show cuts a long payload unless all of it is asked for, and dumps what is no text', async (context) => {
  const bench = await Bench.open(context)
  const long = Buffer.from(JSON.stringify({ text: 'x'.repeat(5000) }))
  bench.add(
    'pumps',
    { id: 'long0000', payload: long, payloadBytes: long.length },
    { id: 'bytes000', payload: Buffer.from([0, 0x41, 0xff]), payloadBytes: 3 },
  )
  const cut = (await bench.run('show', 'long')).stdout
  assert.match(cut, /\(--full shows all of it\)/)
  assert.ok(cut.length < 4000)
  assert.ok((await bench.run('show', 'long', '--full')).stdout.includes('x'.repeat(5000)))
  assert.match((await bench.run('show', 'bytes')).stdout, /000000 {2}00 41 ff {41}\.A\.\n/)
  const json = JSON.parse((await bench.run('show', 'bytes', '--json')).stdout) as {
    payloadBase64: string
  }
  assert.equal(json.payloadBase64, 'AEH/')
})

test('nothing that a message says steers the terminal', async (context) => {
  const bench = await Bench.open(context)
  const evil = '\u001b[2J\u202e\u0007'
  bench.add('pumps', {
    id: 'evil0000',
    topic: `t${evil}`,
    payload: Buffer.from(`text ${evil}`),
    error: { kind: 'model', code: 'E', text: `e${evil}`, stack: `s${evil}`, where: `w${evil}` },
    userProperties: { [`k${evil}`]: `v${evil}` },
    device: `d${evil}`,
  })
  for (const shown of [await bench.run('list'), await bench.run('show', 'evil')]) {
    for (const character of evil.replaceAll(/[\w[]/g, '')) {
      assert.equal(shown.stdout.includes(character), false)
    }
  }
})

test('replay marks letters when nothing runs, and leaves out what cannot be replayed', async (context) => {
  const bench = await Bench.open(context)
  bench.add('pumps', { id: 'a0000000' })
  const file = bench.fileOf('pumps')
  const database = new DatabaseSync(file)
  database.exec(
    "INSERT INTO letters (id, died, kind, size, about, topic) SELECT 'large000', died, kind, 0, about, topic FROM letters",
  )
  database.close()
  const { stdout, status } = await bench.run('replay', '--all')
  assert.match(
    stdout,
    /^1 dead letter cannot be replayed: the payload was not kept, or it is gone\n/,
  )
  assert.match(
    stdout,
    /\n1 dead letter will be replayed when edgeboot next starts: .*turns the web server off/,
  )
  assert.equal(status, 0)
  assert.match((await bench.run('list')).stdout, /\(to be replayed\) KeyError/)
})

test('replay says of letters whose rule is gone that nobody would run them', async (context) => {
  const bench = await Bench.open(context)
  bench.add('fans', { id: 'gone0000' })
  await bench.scratch.write('c.yaml', configuration(['pumps']))
  assert.deepEqual(await bench.ids(), ['gone0000'])
  const { stdout, status } = await bench.run('replay', 'gone')
  assert.match(stdout, /1 dead letter cannot be replayed: their rule or func is gone/)
  assert.equal(status, 1)
  assert.match((await bench.run('drop', 'gone')).stdout, /dropped 1 dead letter\n/)
})

test('drop takes ids at once, and all of them only with --yes', async (context) => {
  const bench = await Bench.open(context)
  bench.add('pumps', ...Array.from({ length: 350 }, () => ({ payload: Buffer.alloc(10_000) })))
  bench.add('fans', { id: 'f0000000' })
  const [first = ''] = await bench.ids('--rule', 'pumps')
  assert.match((await bench.run('drop', first)).stdout, /^dropped 1 dead letter\n/)
  await assert.rejects(
    bench.run('drop', '--all', '--rule', 'pumps'),
    /this would drop 349 dead letters/,
  )
  assert.match(
    (await bench.run('drop', '--all', '--rule', 'pumps', '--yes')).stdout,
    /^dropped 349 dead letters/,
  )
  assert.deepEqual(await bench.ids(), ['f0000000'])
  await assert.rejects(bench.run('drop'), { code: 'CLI_USAGE' })
  await assert.rejects(bench.run('drop', 'f0', '--all'), { code: 'CLI_USAGE' })
})

test('one damaged file is told of, and hides no other', async (context) => {
  const bench = await Bench.open(context)
  bench.add('pumps', { id: 'good0000' })
  bench.add('fans', { id: 'lost0000' })
  writeFileSync(bench.fileOf('fans'), 'no database, for sure '.repeat(400))
  const { stdout, stderr, status } = await bench.run('list')
  assert.match(stdout, /good0000/)
  assert.match(stderr, /DEAD_LETTERS_DAMAGED/)
  assert.equal(status, 1)
})

test('a file of a newer edgeboot is left as it is', async (context) => {
  const bench = await Bench.open(context)
  bench.add('pumps', { id: 'a0000000' })
  const database = new DatabaseSync(bench.fileOf('pumps'))
  database.exec('PRAGMA user_version = 9')
  database.close()
  const { stderr } = await bench.run('list')
  assert.match(stderr, /a newer edgeboot has written .*\[DEAD_LETTERS_NEWER\]/)
  writeFileSync(join(dirname(bench.fileOf('pumps')), 'empty.sqlite'), '')
  assert.doesNotMatch((await bench.run('list')).stderr, /empty/)
})

test('fits a text into the columns of a terminal', () => {
  assert.equal(fit('abcdef', 6), 'abcdef')
  assert.equal(fit('abcdefg', 6), 'abcde…')
  assert.equal(fit('泵泵泵', 4), '泵…')
})

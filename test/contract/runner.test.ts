import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { EdgebootError } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import type { BatchAnswer, ModelUnderTest } from '../support/running-model.ts'
import { published, RunningModel, withModelFolder } from '../support/running-model.ts'
import { needsPython, pythonInterpreters } from '../support/python-interpreters.ts'
import { until } from '../support/wait.ts'

const fixtures = join(import.meta.dirname, '..', 'fixtures', 'runners')

/** One way to run models, and what differs from language to language. */
interface Kind {
  readonly title: string
  readonly model: ModelUnderTest
  readonly asyncModel: ModelUnderTest
  /** The file with the handler, where the entry is another. */
  readonly code?: string
  readonly errorType: string
  /**
   * Texts of entry files that cannot be loaded. The line to be named is the third of each. None for
   * programs: what theirs hold is their own business.
   */
  readonly broken?: { noHandler: string; syntax: string; import: string; raises: string }
  readonly hangs?: string
  readonly exits?: string
  readonly canBeKilled: boolean
  /** Whether one that is interrupted shows where it is; what runs in native code cannot. */
  readonly showsStacks: boolean
  /** What a model may do to end its runner in the midst of an event. */
  readonly deaths: readonly string[]
}

const javascriptBroken = {
  noHandler: 'export const threshold = 80\n',
  syntax: '// The brace is missing.\nexport function handler(event)\n  return event\n}\n',
  import: "import 'node:fs'\n\nimport { answer } from 'surely-not-installed'\n",
  raises: '// Not there.\n\nexport const table = JSON.parse("nothing")\n',
}
const pythonBroken = {
  noHandler: 'threshold = 80\n',
  syntax: 'import os\n\ndef handler(event, context)\n    return event\n',
  import: 'import json\n\nimport surely_not_installed\n',
  raises: '"""Not there."""\n\ntable = {}["missing"]\n',
}

const javascript = {
  model: {
    runtime: 'javascript',
    folder: join(fixtures, 'javascript', 'behaves-as-told'),
    entry: 'index.ts',
  },
  asyncModel: {
    runtime: 'javascript',
    folder: join(fixtures, 'javascript', 'async-handler'),
    entry: 'index.mjs',
  },
  errorType: 'RangeError',
  broken: javascriptBroken,
  hangs: 'for (;;);\n',
  exits: 'process.exit(4)\n',
} as const

const kinds: Kind[] = [
  { title: 'thread', ...javascript, canBeKilled: true, showsStacks: true, deaths: ['exit'] },
  {
    title: 'inline',
    ...javascript,
    model: { ...javascript.model, inline: true },
    asyncModel: { ...javascript.asyncModel, inline: true },
    canBeKilled: false,
    showsStacks: false,
    deaths: [],
  },
  {
    title: 'Node process',
    ...javascript,
    model: { ...javascript.model, inNode: true },
    asyncModel: { ...javascript.asyncModel, inNode: true },
    canBeKilled: true,
    showsStacks: false,
    deaths: ['exit', 'abort'],
  },
  ...pythonInterpreters().map(({ path, version }): Kind => {
    const python = { runtime: 'python', entry: 'index.py', python: path } as const
    return {
      title: `Python ${version} (${path})`,
      model: { ...python, folder: join(fixtures, 'python', 'behaves-as-told') },
      asyncModel: { ...python, folder: join(fixtures, 'python', 'async-handler') },
      errorType: 'ValueError',
      broken: pythonBroken,
      hangs: 'while True:\n    pass\n',
      exits: 'import os\nos._exit(4)\n',
      canBeKilled: true,
      showsStacks: true,
      deaths: ['exit', 'abort'],
    }
  }),
]

// The first line of a script names one interpreter.
if (pythonInterpreters().some(({ path }) => path === '/usr/bin/python3')) {
  const program = { runtime: 'exec', format: 'program', entry: '../../exec/as-told.py' } as const
  kinds.push({
    title: 'program',
    model: { ...program, folder: join(fixtures, 'python', 'behaves-as-told') },
    asyncModel: { ...program, folder: join(fixtures, 'python', 'async-handler') },
    code: 'index.py',
    errorType: 'ValueError',
    canBeKilled: true,
    showsStacks: false,
    deaths: ['exit', 'abort'],
  })
}

test('has a Python to run the contract with', { skip: needsPython }, () => {
  assert.ok(kinds.some((kind) => kind.model.runtime === 'python'))
})

for (const kind of kinds) {
  describe(`runner contract: ${kind.title}`, () => {
    describe('while it serves', () => {
      const running = new RunningModel(kind.model)
      before(async () => void (await running.start()))
      after(() => running.stop())
      servesAsPromised(running, kind)
    })
    startsAndEndsAsPromised(kind)
    refusesAsPromised(kind)
    if (kind.canBeKilled) survivesAsPromised(kind)
  })
}

function servesAsPromised(running: RunningModel, kind: Kind): void {
  test('answers a batch in order, with what JSON makes of each result', async () => {
    const values = [1, 'one', [true, null, 1.5], { 设备: 'pump-1' }, { a: { b: [] } }]
    const answer = await running.infer(values.map((value) => ({ do: 'echo', value })))
    const results = answer.outcomes.map((outcome) => JSON.parse(published(outcome)) as unknown)
    assert.deepEqual(results, values)
  })

  test('answers two batches that are under way at once, each with its own results', async () => {
    const batches = await Promise.all([
      running.infer([{ do: 'echo', value: 1 }]),
      running.infer([
        { do: 'echo', value: 2 },
        { do: 'echo', value: 3 },
      ]),
    ])
    assert.deepEqual(
      batches.map((batch) => batch.outcomes.map(published)),
      [['1'], ['2', '3']],
    )
  })

  test('returns an event of 8 MiB unharmed', async () => {
    const value = 'x'.repeat(limits.payloadBytesMax - 64)
    const answer = await running.infer([{ do: 'echo', value }])
    assert.equal(published(answer.outcomes[0]), JSON.stringify(value))
  })

  test('publishes nothing for what means nothing', async () => {
    const hows = ['none', 'word', 'object', 'text']
    const answer = await running.infer(hows.map((how) => ({ do: 'nothing', how })))
    const kindsOfOutcome = answer.outcomes.map((outcome) => outcome.kind)
    assert.deepEqual(kindsOfOutcome, ['empty', 'empty', 'empty', 'empty'])
  })

  test('publishes bytes as they are', async () => {
    const answer = await running.infer([{ do: 'bytes' }])
    const outcome = answer.outcomes[0]
    assert.ok(outcome?.kind === 'value')
    assert.deepEqual([...outcome.payload], [0, 0x72, 0x61, 0x77, 0xff])
  })

  test('tells the model the context of its event', async () => {
    const own = { topic: 'plant/1', qos: 1, retain: true, receivedAt: 17, deadline: 27 }
    const told = { ...own, device: 'pump-1', userProperties: { unit: 'K' } }
    const answer = await running.infer([{ do: 'context' }], [told])
    const expected = { ...told, rule: 'b1', model: 'told', version: 'folder', limit: 80 }
    assert.deepEqual(JSON.parse(published(answer.outcomes[0])), expected)
  })

  test('knows a context of which nobody told anything', async () => {
    const answer = await running.infer([{ do: 'context' }], [{ topic: 't' }])
    const { device, deadline, userProperties, qos } = JSON.parse(published(answer.outcomes[0]))
    assert.deepEqual(
      { device, deadline, userProperties, qos },
      { device: null, deadline: null, userProperties: {}, qos: 0 },
    )
  })

  test('finds files of the model beside its entry', async () => {
    const answer = await running.infer([{ do: 'import', value: 'loud' }])
    assert.equal(published(answer.outcomes[0]), '"LOUD"')
  })

  test('names type, message and place of an exception, and goes on', async () => {
    const answer = await running.infer([{ do: 'throw' }, { do: 'echo', value: 1 }])
    const [thrown, next] = answer.outcomes
    assert.ok(thrown?.kind === 'error')
    assert.equal(thrown.error.type, kind.errorType)
    assert.equal(thrown.error.message, 'no such pump')
    const place = `${join(kind.model.folder, kind.code ?? kind.model.entry)}:`
    assert.ok(thrown.error.where?.startsWith(place), thrown.error.where)
    assert.match(thrown.error.traceback ?? '', /no such pump/)
    assert.equal(published(next), '1')
  })

  for (const how of ['nan', 'infinite', 'object', 'set', 'cycle']) {
    test(`makes an error of a result that JSON cannot hold: ${how}`, async () => {
      const answer = await running.infer([{ do: 'unencodable', how }])
      assert.equal(answer.outcomes[0]?.kind, 'error')
    })
  }

  test('hands over what the model logs through its context', async () => {
    await running.infer([{ do: 'log' }])
    const line = running.lines.find((logged) => logged.event === 'model.log')
    assert.equal(line?.level, 'warn')
    assert.deepEqual(line.fields, { message: 'careful', part: 'pump' })
  })

  test('does not hold finished results back while the model works on the next', async () => {
    const answer = await running.infer([
      { do: 'sleep', ms: 20 },
      { do: 'sleep', ms: 20 },
      { do: 'sleep', ms: 20 },
    ])
    assert.deepEqual(answer.pieces, [1, 1, 1])
  })
}

function startsAndEndsAsPromised(kind: Kind): void {
  test('says what engine runs the model', async () => {
    const running = new RunningModel(kind.model)
    const ready = await running.start()
    await running.stop()
    assert.match(ready.engine, /^(Node|Python) \d+\.\d+\.\d+/)
  })

  test('runs asynchronous handlers one after the other', async () => {
    const running = new RunningModel(kind.asyncModel)
    await running.start()
    const answer = await running.infer([{ ms: 20 }, { ms: 1 }, { ms: 0, throw: true }, { ms: 2 }])
    await running.stop()
    assert.equal(answer.outcomes[2]?.kind, 'error')
    const together = [0, 1, 3].map((i) => JSON.parse(published(answer.outcomes[i])) as unknown)
    assert.deepEqual(together, [
      { ms: 20, together: 1 },
      { ms: 1, together: 1 },
      { ms: 2, together: 1 },
    ])
  })

  test('lets a batch under way end before it stops', async () => {
    const running = new RunningModel(kind.model)
    await running.start()
    const answer = running.infer([{ do: 'sleep', ms: 50 }])
    await running.stop()
    const { outcomes } = await answer
    assert.equal(published(outcomes[0]), '50')
    assert.deepEqual(running.exits, [])
  })

  test('loses the batches under way when it is killed, with the reason given', async () => {
    const running = new RunningModel(kind.model)
    await running.start()
    const answers = [
      running.infer([{ do: 'sleep', ms: 500 }]),
      running.infer([{ do: 'echo', value: 1 }]),
    ]
    const reason = new EdgebootError('RUNNER_DEADLINE', 'took too long')
    running.runner.kill(reason)
    const lost = (await Promise.all(answers)).map((answer) => answer.lost)
    assert.deepEqual(lost, [reason, reason])
    assert.equal(await running.exited, reason)
  })

  test('ends when it is interrupted, with the reason given, and tells what it waited for', async () => {
    const running = new RunningModel(kind.model)
    await running.start()
    const answer = running.infer([
      { do: 'sleep', ms: 20 },
      { do: 'sleep', ms: 60_000 },
    ])
    await until('it to come to the second event', () => running.outcomes >= 1)
    running.runner.interrupt(new EdgebootError('RUNNER_DEADLINE', 'took too long'))
    const { lost } = await answer
    assert.equal(lost?.code, 'RUNNER_DEADLINE')
    const place = `it was at ${join(kind.model.folder, kind.model.entry)}:`
    const isSilent = kind.model.inNode || kind.model.runtime === 'exec'
    const waits = isSilent ? 'no stack' : 'it waits for something asynchronous'
    const told = kind.model.runtime === 'python' ? place : waits
    assert.ok(lost.message.startsWith(`took too long; ${told}`), lost.message)
    assert.equal(await running.exited, lost)
  })

  test('names the event that it was interrupted on, and blames no batch that waited', async () => {
    const running = new RunningModel(kind.model)
    await running.start()
    const answers = [
      running.infer([...company, { do: 'stay', how: 'asleep' }, ...company]),
      running.infer(company),
    ]
    await stays(running)
    running.runner.interrupt(new EdgebootError('RUNNER_DEADLINE', 'took too long'))
    const [served, waiting] = await Promise.all(answers)
    assert.equal(served?.lostOn, company.length)
    assert.ok(waiting?.lost !== undefined)
    assert.equal(waiting.lostOn, undefined)
  })

  test('names the event that it was on in whatever batch it is', async () => {
    const running = new RunningModel(kind.model)
    await running.start()
    for (let batch = 0; batch < 3; batch++) await running.infer(company)
    const answer = running.infer([{ do: 'stay', how: 'asleep' }, ...company])
    await stays(running)
    running.runner.kill(new EdgebootError('RUNNER_DEADLINE', 'took too long'))
    assert.equal((await answer).lostOn, 0)
  })

  test('loses a batch that is given to it when it is gone', async () => {
    const running = new RunningModel(kind.model)
    await running.start()
    await running.stop()
    const answer = await running.infer([{ do: 'echo', value: 1 }])
    assert.equal(answer.lost?.code, 'RUNNER_EXITED')
  })

  test('stops once, however often it is asked, and needs no start for it', async () => {
    const running = new RunningModel(kind.model)
    await Promise.all([running.stop(), running.stop()])
    await assert.rejects(running.start())
  })
}

function refusesAsPromised(kind: Kind): void {
  const { broken: texts, hangs, exits } = kind
  if (texts === undefined) return
  const brokenModel = (
    text: string,
    use: (running: RunningModel, entry: string) => Promise<void>,
  ) => {
    const entry = kind.model.runtime === 'python' ? 'index.py' : 'index.mjs'
    return withModelFolder({ [entry]: text }, (folder) =>
      use(new RunningModel({ ...kind.model, folder, entry }), join(folder, entry)),
    )
  }

  for (const [broken, code, line] of [
    ['noHandler', 'MODEL_NO_HANDLER', ''],
    ['syntax', 'MODEL_SYNTAX', ':3'],
    ['import', 'MODEL_IMPORT_FAILED', ':3'],
    ['raises', 'MODEL_IMPORT_FAILED', ':3'],
  ] as const) {
    test(`refuses a model with ${code} that names the place: ${broken}`, async () => {
      await brokenModel(texts[broken], async (running, entry) => {
        const error: unknown = await running.start().catch((thrown: unknown) => thrown)
        assert.ok(error instanceof EdgebootError)
        assert.equal(error.code, code)
        assert.equal(error.details.where, entry + line)
        assert.deepEqual(running.exits, [])
      })
    })
  }

  test('names the module that an import misses', async () => {
    await brokenModel(texts.import, async (running) => {
      await assert.rejects(running.start(), /surely.not.installed/)
    })
  })

  if (!kind.canBeKilled || hangs === undefined || exits === undefined) return

  test('gives up a model that hangs while it is loaded', async () => {
    const entry = kind.model.entry.replace('.ts', '.mjs')
    await withModelFolder({ [entry]: hangs }, async (folder) => {
      const running = new RunningModel({ ...kind.model, folder, entry, startMs: 300 })
      await assert.rejects(running.start(), { code: 'RUNNER_START_TIMEOUT' })
      assert.deepEqual(running.exits, [])
    })
  })

  test('fails to start a model that exits while it is loaded', async () => {
    const entry = kind.model.entry.replace('.ts', '.mjs')
    await withModelFolder({ [entry]: exits }, async (folder) => {
      const running = new RunningModel({ ...kind.model, folder, entry })
      await assert.rejects(running.start(), (error: EdgebootError) => {
        assert.equal(error.code, 'RUNNER_EXITED')
        assert.equal(error.details['exitCode'], 4)
        return true
      })
    })
  })
}

/** Events that are answered at once. */
const company = [
  { do: 'echo', value: 1 },
  { do: 'throw' },
  { do: 'nothing', how: 'none' },
  { do: 'echo', value: 4 },
]

/** Resolves when the model has come to the event that it does not return from. */
async function stays(running: RunningModel): Promise<void> {
  const isThere = (): boolean => running.lines.some(({ fields }) => fields['message'] === 'staying')
  await until('the model to come to its last event', isThere)
}

function survivesAsPromised(kind: Kind): void {
  const outlive = async (
    event: unknown,
  ): Promise<{ running: RunningModel; answer: BatchAnswer }> => {
    const running = new RunningModel(kind.model)
    await running.start()
    return { running, answer: await running.infer([event]) }
  }

  test('ends a model that spins', async () => {
    const running = new RunningModel(kind.model)
    await running.start()
    const answer = running.infer([{ do: 'sleep', ms: 20 }, { do: 'spin' }])
    running.runner.kill(new EdgebootError('RUNNER_DEADLINE', 'took too long'))
    assert.equal((await answer).lost?.code, 'RUNNER_DEADLINE')
    assert.equal((await running.exited).code, 'RUNNER_DEADLINE')
  })

  const silent = !kind.showsStacks && 'it cannot be asked'
  test('shows where a model spins when it is interrupted', { skip: silent }, async () => {
    const running = new RunningModel(kind.model)
    await running.start()
    const answer = running.infer([
      { do: 'echo', value: 1 },
      { do: 'sleep', ms: 20 },
      { do: 'stay', how: 'busy' },
    ])
    await stays(running)
    running.runner.interrupt(new EdgebootError('RUNNER_DEADLINE', 'took too long'))
    const { lost } = await answer
    const file = join(kind.model.folder, kind.model.entry)
    const where = lost?.details.where ?? ''
    const [line = ''] = /\d+$/.exec(where) ?? []
    assert.equal(where, `${file}:${line}`)
    const text = (await readFile(file, 'utf8')).split('\n')[Number(line) - 1] ?? ''
    assert.match(text, /staying|while|pass/)
    assert.match(String(lost?.details['stack']), /handler/)
  })

  test('disturbs no runner beside the one that it interrupts', async () => {
    const [stuck, beside] = [new RunningModel(kind.model), new RunningModel(kind.model)]
    await Promise.all([stuck.start(), beside.start()])
    const answer = stuck.infer([{ do: 'spin' }])
    stuck.runner.interrupt(new EdgebootError('RUNNER_DEADLINE', 'took too long'))
    const others = Array.from({ length: 50 }, (_, value) => ({ do: 'echo', value }))
    const { outcomes } = await beside.infer(others)
    assert.equal(outcomes.length, 50)
    assert.equal((await answer).lost?.code, 'RUNNER_DEADLINE')
    assert.equal(published((await beside.infer([{ do: 'echo', value: 7 }])).outcomes[0]), '7')
    await beside.stop()
  })

  test('tells of a model that exits in its handler, with the code', async () => {
    const { running, answer } = await outlive({ do: 'exit' })
    assert.equal(answer.lost?.code, 'RUNNER_EXITED')
    assert.equal(answer.lost.details['exitCode'], 3)
    assert.equal(await running.exited, answer.lost)
  })

  for (const death of kind.deaths) {
    test(`names the event of a batch that it died on: ${death}`, async () => {
      const running = new RunningModel(kind.model)
      await running.start()
      const answer = await running.infer([...company, { do: death }, ...company])
      assert.equal(answer.lost?.code, 'RUNNER_EXITED')
      assert.equal(answer.lostOn, company.length)
    })
  }

  test('names the event of a batch that it is busy with when it is interrupted', async () => {
    const running = new RunningModel(kind.model)
    await running.start()
    const answer = running.infer([...company, { do: 'stay', how: 'busy' }, ...company])
    await stays(running)
    running.runner.interrupt(new EdgebootError('RUNNER_DEADLINE', 'took too long'))
    assert.equal((await answer).lostOn, company.length)
  })

  test('takes what a model prints by lines, and keeps the streams apart', async () => {
    const running = new RunningModel(kind.model)
    await running.start()
    const answer = await running.infer([{ do: 'print', value: 'température 设备' }])
    await running.stop()
    assert.equal(published(answer.outcomes[0]), '1')
    assert.deepEqual(running.printed('stdout'), ['température 设备'])
    assert.deepEqual(running.printed('stderr'), ['température 设备'])
  })

  test('counts what a model prints beyond bounds, and goes on', async () => {
    const running = new RunningModel(kind.model)
    await running.start()
    const answer = await running.infer([{ do: 'flood', lines: 2_000 }])
    await running.stop()
    assert.equal(published(answer.outcomes[0]), '1')
    const suppressed = running.lines.filter((line) => line.event === 'model.print.suppressed')
    const counted = suppressed.reduce((sum, { fields }) => sum + Number(fields['lines']), 0)
    assert.equal(running.printed('stdout').length + counted, 2_000)
    assert.ok(counted > 0)
  })

  test('gives the model its own environment and nothing else', async () => {
    const running = new RunningModel({ ...kind.model, env: { MODEL_MODE: 'edge' } })
    await running.start()
    const answer = await running.infer([{ do: 'environment' }])
    await running.stop()
    const names = JSON.parse(published(answer.outcomes[0])) as string[]
    assert.ok(names.includes('MODEL_MODE'))
    // Node itself hands NODE_V8_COVERAGE on to every child while the tests measure coverage.
    const known = ['MODEL_MODE', 'PATH', 'LC_CTYPE', 'NODE_V8_COVERAGE']
    assert.deepEqual(
      names.filter((name) => !known.includes(name)),
      [],
    )
  })

  test('stops a model that spins, after the deadline', async () => {
    const running = new RunningModel(kind.model)
    await running.start()
    const answer = running.infer([{ do: 'spin' }])
    await running.runner.stop(50)
    assert.equal((await answer).lost?.code, 'RUNNER_EXITED')
    assert.deepEqual(running.exits, [])
  })
}

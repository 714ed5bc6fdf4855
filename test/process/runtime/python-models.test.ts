import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { needsPython, pythonInterpreters } from '../../support/python-interpreters.ts'
import { needsModule } from '../../support/requirements.ts'
import {
  type ModelUnderTest,
  published,
  RunningModel,
  withModelFolder,
} from '../../support/running-model.ts'

const debian = '/usr/bin/python3'

/** Loads a model of these files and returns what it publishes for one event. */
function answerOf(
  files: Readonly<Record<string, string>>,
  event: unknown,
  options: Partial<ModelUnderTest> = {},
): Promise<string> {
  return withModelFolder(files, async (folder) => {
    const model = { runtime: 'python', entry: 'index.py', folder, ...options } as const
    const running = new RunningModel(model)
    await running.start()
    try {
      return published((await running.infer([event])).outcomes[0])
    } finally {
      await running.stop()
    }
  })
}

/** The model error that one event ends in. */
function errorOf(text: string, options: Partial<ModelUnderTest> = {}) {
  return withModelFolder({ 'index.py': text }, async (folder) => {
    const running = new RunningModel({ runtime: 'python', entry: 'index.py', folder, ...options })
    await running.start()
    try {
      const [outcome] = (await running.infer([{ number: 1 }])).outcomes
      assert.ok(outcome?.kind === 'error', JSON.stringify(outcome))
      return outcome.error
    } finally {
      await running.stop()
    }
  })
}

for (const { path: python, version } of pythonInterpreters()) {
  describe(`models of pyboot, unchanged, on Python ${version} (${python})`, () => {
    test("import pyboot's home and their own parts by every name that works there", async () => {
      const files = {
        'index.py': [
          'import helper',
          'from . import helper as relative',
          'from .parts.table import LIMIT',
          'from pyboot.conf import PYBOOT_HOME',
          'from pyboot.conf.settings import PYBOOT_HOME as HOME',
          'from pyboot.modules.gridsum.science.told.parts import table',
          'from pyboot.modules.gridsum.science.neighbour.shared import GREETING',
          'def handler(event, context):',
          '    same = [helper.NAME, relative.NAME, LIMIT, table.LIMIT]',
          '    return same + [PYBOOT_HOME == HOME, GREETING, __name__]',
        ].join('\n'),
        'helper.py': 'NAME = "helper"\n',
        'parts/__init__.py': '',
        'parts/table.py': 'LIMIT = 80\n',
        '../neighbour/shared.py': 'GREETING = "hello"\n',
      }
      const name = 'pyboot.modules.gridsum.science.told.index'
      const names: unknown = JSON.parse(await answerOf(files, {}, { python }))
      assert.deepEqual(names, ['helper', 'helper', 80, 80, true, 'hello', name])
    })

    test('may lie in folders with Chinese names', async () => {
      const text =
        'def handler(event, context):\n    return open("表.txt", encoding="utf8").read()\n'
      const files = { '阈值/index.py': `# -*- coding: utf-8 -*-\n${text}`, '阈值/表.txt': 'LIMIT' }
      await withModelFolder(files, async (folder) => {
        const model = { runtime: 'python', entry: 'index.py', name: '阈值', python } as const
        const running = new RunningModel({ ...model, folder: join(folder, '阈值') })
        await running.start()
        const { outcomes } = await running.infer([1])
        await running.stop()
        assert.equal(published(outcomes[0]), '"LIMIT"')
      })
    })

    test('may be packages with an __init__.py', async () => {
      const files = {
        '__init__.py': 'UNIT = "K"\n',
        'index.py': 'from . import UNIT\ndef handler(event, context):\n    return UNIT\n',
      }
      assert.equal(await answerOf(files, {}, { python }), '"K"')
    })

    test('may be a function of one argument in a module (v0)', async () => {
      const files = {
        'industry/telemetry.py': [
          'from . import units',
          'def telm_temperature(event):',
          '    return [event["t"], units.UNIT, __name__]',
        ].join('\n'),
        'industry/units.py': 'UNIT = "K"\n',
      }
      const answer = await withModelFolder(files, async (science) => {
        const running = new RunningModel({
          runtime: 'python',
          name: 'telm_temperature',
          folder: science,
          modelsFolder: science,
          entry: join('industry', 'telemetry.py'),
          functionName: 'telm_temperature',
          python,
        })
        await running.start()
        const { outcomes } = await running.infer([{ t: 20 }])
        await running.stop()
        return published(outcomes[0])
      })
      const module = 'pyboot.modules.gridsum.science.industry.telemetry'
      assert.deepEqual(JSON.parse(answer), [20, 'K', module])
    })
  })
}

describe('a Python model beside a real pyboot', { skip: needsPython }, () => {
  test('imports what the real one has, and itself from its own folder', async () => {
    const files = {
      'index.py': [
        'from pyboot.conf import PYBOOT_HOME',
        'from pyboot.common.units import KELVIN',
        'from pyboot.modules.gridsum.science.told.table import LIMIT',
        'def handler(event, context):',
        '    return [PYBOOT_HOME, KELVIN, LIMIT]',
      ].join('\n'),
      'table.py': 'LIMIT = 80\n',
      '../home/pyboot/__init__.py': '',
      '../home/pyboot/conf/__init__.py': 'PYBOOT_HOME = "/real"\n',
      '../home/pyboot/conf/settings.py': '',
      '../home/pyboot/common/units.py': 'KELVIN = "K"\n',
      '../home/pyboot/modules/gridsum/science/told/table.py': 'LIMIT = 0\n',
    }
    const answer = await withModelFolder(files, async (folder) => {
      const env = { PYTHONPATH: join(folder, '..', 'home') }
      const running = new RunningModel({ runtime: 'python', entry: 'index.py', folder, env })
      await running.start()
      const { outcomes } = await running.infer([1])
      await running.stop()
      return published(outcomes[0])
    })
    assert.deepEqual(JSON.parse(answer), ['/real', 'K', 80])
  })
})

describe('a Python handler', { skip: needsPython }, () => {
  for (const [title, text] of [
    ['may be called index', 'def index(event, context): return event["number"]'],
    ['wins over index', 'def index(e, c): return 0\ndef handler(e, c): return e["number"]'],
    ['may leave the context out', 'def handler(event): return event["number"]'],
    ['may take nothing', 'def handler(): return 1'],
    ['may take whatever comes', 'def handler(*args): return len(args) - 1'],
    ['may have more arguments with defaults', 'def handler(e, c, limit=1): return limit'],
    [
      'may be an object that can be called',
      'class Model(object):\n  def __call__(self, event, context): return event["number"]\nhandler = Model()',
    ],
    ['may be partial', 'from functools import partial\nhandler = partial(lambda a, e, c: a, 1)'],
  ] as const) {
    test(title, async () => {
      assert.equal(await answerOf({ 'index.py': text }, { number: 1 }), '1')
    })
  }

  test('that asks for more than event and context is refused when it is loaded', async () => {
    const files = { 'index.py': 'def handler(event, context, limit): return 1' }
    await assert.rejects(answerOf(files, {}), (error: Error) => {
      assert.match(
        error.message,
        /handler\(event, context, limit\) in .*index\.py cannot be called/,
      )
      return true
    })
  })

  for (const raised of ['SystemExit', 'KeyboardInterrupt', 'GeneratorExit', 'MemoryError']) {
    test(`that raises ${raised} has failed, not ended`, async () => {
      const error = await errorOf(`def handler(event, context):\n    raise ${raised}("enough")\n`)
      assert.deepEqual([error.type, error.message], [raised, 'enough'])
      assert.match(error.where ?? '', /index\.py:2$/)
    })
  }

  test('that recurses without end has failed, with a traceback of bounded length', async () => {
    const error = await errorOf(
      'def handler(event, context):\n    return handler(event, context)\n',
    )
    assert.equal(error.type, 'RecursionError')
    assert.ok(Buffer.byteLength(error.traceback ?? '') <= 8 * 1024)
  })

  test('whose exception cannot be printed has failed all the same', async () => {
    const error = await errorOf(
      'class Odd(Exception):\n  def __str__(self): raise ValueError()\ndef handler(e, c): raise Odd()\n',
    )
    assert.equal(error.type, 'Odd')
  })

  test('has failed where it called a library, not inside of it', async () => {
    const error = await errorOf('import json\n\ndef handler(e, c):\n    return json.loads("{")\n')
    assert.match(error.where ?? '', /index\.py:4$/)
    assert.match(error.traceback ?? '', /json/)
    assert.doesNotMatch(error.traceback ?? '', /edgeboot_worker/)
  })
})

describe('what a Python model publishes', { skip: needsPython }, () => {
  test('is what json.dumps writes, byte for byte', async () => {
    const result = '{"a": 1.0, "设备3": ["x", None, True, 1e22, -0.0], 5: "\\u2028\\"/"}'
    const direct = spawnSync(
      'python3',
      ['-c', `import json, sys; sys.stdout.write(json.dumps(${result}))`],
      { encoding: 'utf8', env: { ...process.env, PYTHONUTF8: '1' } },
    )
    const text = `# -*- coding: utf-8 -*-\ndef handler(event, context):\n    return ${result}\n`
    assert.equal(await answerOf({ 'index.py': text }, {}), direct.stdout)
  })

  test('is the list that an array makes of itself, without numpy being known', async () => {
    const text = [
      'class Array(object):',
      '    def tolist(self): return [1.5, 2]',
      'class Scalar(object):',
      '    def item(self): return 7',
      'def handler(event, context): return {"array": Array(), "scalar": Scalar()}',
    ].join('\n')
    assert.equal(await answerOf({ 'index.py': text }, {}), '{"array": [1.5, 2], "scalar": 7}')
  })

  test(
    'may come from numpy',
    { skip: needsModule(debian, 'numpy', 'apt-get install python3-numpy') },
    async () => {
      const text = [
        'import numpy',
        'def handler(event, context):',
        '    values = numpy.array(event["values"], dtype=numpy.float32)',
        '    return {"mean": values.mean(), "all": values, "n": numpy.int64(2), "ok": values[0] > 1}',
      ].join('\n')
      const answer = await answerOf(
        { 'index.py': text },
        { values: [1.5, 2.5] },
        { python: debian },
      )
      assert.equal(answer, '{"mean": 2.0, "all": [1.5, 2.5], "n": 2, "ok": true}')
    },
  )

  test('is an error when it is too large to publish, and the next event has its answer', async () => {
    const text = 'def handler(event, context):\n    return "x" * event\n'
    await withModelFolder({ 'index.py': text }, async (folder) => {
      const running = new RunningModel({ runtime: 'python', entry: 'index.py', folder })
      await running.start()
      const { outcomes } = await running.infer([33 * 1024 * 1024, 1])
      await running.stop()
      assert.ok(outcomes[0]?.kind === 'error')
      assert.equal(outcomes[0].error.type, 'ResultTooLarge')
      assert.equal(published(outcomes[1]), '"x"')
    })
  })
})

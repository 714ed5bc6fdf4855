import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EdgebootError } from '../../../src/core/errors.ts'
import { published, RunningModel, withModelFolder } from '../../support/running-model.ts'

/** Runs `use` with a model of these files; the first is its entry. */
function withModel<T>(
  files: Readonly<Record<string, string>>,
  use: (running: RunningModel, folder: string) => Promise<T>,
): Promise<T> {
  const [entry = ''] = Object.keys(files)
  return withModelFolder(files, async (folder) => {
    const running = new RunningModel({ runtime: 'javascript', entry, folder })
    try {
      return await use(running, folder)
    } finally {
      await running.stop()
    }
  })
}

describe('a JavaScript model', () => {
  for (const [title, entry, text] of [
    ['may export handler', 'index.mjs', 'export function handler(event) { return event.n }'],
    ['may export a function by default', 'index.mjs', 'export default (event) => event.n'],
    [
      'may export an object with a handler, which is its this',
      'index.mjs',
      'export default { scale: 1, handler(event) { return event.n * this.scale } }',
    ],
    [
      'may be TypeScript that imports edgeboot, wherever it lies',
      'index.ts',
      "import { defineModel } from 'edgeboot'\n" +
        'export default defineModel<{ n: number }>({ handler: (event) => event.n as number })',
    ],
    [
      'may be TypeScript in a module file',
      'index.mts',
      'export const handler = (event: { n: number }): number => event.n',
    ],
    ['may be CommonJS with a handler', 'index.js', 'exports.handler = (event) => event.n'],
    ['may be a CommonJS function', 'index.js', 'module.exports = (event) => event.n'],
    [
      'may be an ES module that was compiled to CommonJS',
      'index.js',
      'Object.defineProperty(exports, "__esModule", { value: true })\n' +
        'exports.default = { handler: (event) => event.n }',
    ],
    ['may be an ES module in a .js file', 'index.js', 'export const handler = (event) => event.n'],
  ] as const) {
    test(title, async () => {
      await withModel({ [entry]: text }, async (running) => {
        await running.start()
        assert.equal(published((await running.infer([{ n: 1 }])).outcomes[0]), '1')
      })
    })
  }

  for (const [title, files, code, where, text] of [
    [
      'a file beside the entry that cannot be parsed',
      { 'index.mjs': "import './part.mjs'\n", 'part.mjs': '\nconst = 1\n' },
      'MODEL_SYNTAX',
      'part.mjs:2',
      /const = 1/,
    ],
    [
      'TypeScript that needs a compiler',
      { 'index.ts': '\nenum Level { Low }\nexport const handler = () => Level.Low\n' },
      'MODEL_SYNTAX',
      'index.ts:2',
      /enum is not supported/,
    ],
    [
      'an import of a name that is not exported',
      { 'index.mjs': "\nimport { nope } from 'node:fs'\n" },
      'MODEL_IMPORT_FAILED',
      'index.mjs:2',
      /nope/,
    ],
    [
      'a require of what is not installed',
      { 'index.js': "const one = 1\nconst two = require('not-there')\n" },
      'MODEL_IMPORT_FAILED',
      'index.js:2',
      /not-there/,
    ],
    [
      'a file that is imported and not there',
      { 'index.ts': "import { readFile } from 'node:fs'\nexport * from './missing.ts'\n" },
      'MODEL_IMPORT_FAILED',
      'index.ts:2',
      /missing\.ts/,
    ],
  ] as const) {
    test(`is refused, with the place, for ${title}`, async () => {
      await withModel(files, async (running, folder) => {
        await assert.rejects(running.start(), (error: EdgebootError) => {
          assert.equal(error.code, code)
          assert.equal(error.details.where, `${folder}/${where}`)
          assert.match(error.message, text)
          return true
        })
      })
    })
  }

  test('is found, and its errors are placed, in a folder with any name', async () => {
    const files = { '阈值 (2) %20/index.mjs': '\nexport const handler = (e) => e.a.b\n' }
    await withModelFolder(files, async (parent) => {
      const folder = `${parent}/阈值 (2) %20`
      const running = new RunningModel({ runtime: 'javascript', entry: 'index.mjs', folder })
      await running.start()
      const [outcome] = (await running.infer([{}])).outcomes
      await running.stop()
      assert.ok(outcome?.kind === 'error')
      assert.equal(outcome.error.where, `${folder}/index.mjs:2`)
    })
  })

  test('finds nothing of ours in what its thread was started with', async () => {
    const text =
      "import { workerData } from 'node:worker_threads'\n" +
      'export const handler = () => Object.keys(workerData).sort()'
    await withModel({ 'index.mjs': text }, async (running) => {
      await running.start()
      const keys: unknown = JSON.parse(published((await running.infer([1])).outcomes[0]))
      assert.deepEqual(keys, ['model', 'params', 'rule'])
    })
  })

  test('may use parentPort as it likes, without being heard', async () => {
    const text =
      "import { parentPort } from 'node:worker_threads'\n" +
      "parentPort.on('message', () => {})\n" +
      "export const handler = (event) => { parentPort.postMessage({ type: 'failed' }); return event }"
    await withModel({ 'index.mjs': text }, async (running) => {
      await running.start()
      assert.equal(published((await running.infer([7])).outcomes[0]), '7')
      await running.runner.stop(60_000)
    })
  })

  for (const [title, text] of [
    ['an exception in a timer', 'setTimeout(() => { throw new RangeError("late news") }, 1)'],
    ['a rejection that nobody handles', 'Promise.reject(new RangeError("late news"))'],
  ] as const) {
    test(`ends with its text and place for ${title}`, async () => {
      const handler = `export const handler = () => {\n  ${text}\n  return new Promise(() => {})\n}\n`
      await withModel({ 'index.mjs': handler }, async (running, folder) => {
        await running.start()
        const { lost } = await running.infer([1])
        assert.equal(lost?.code, 'RUNNER_EXITED')
        assert.match(lost.message, /uncaught RangeError: late news/)
        assert.equal(lost.details.where, `${folder}/index.mjs:2`)
        assert.equal(await running.exited, lost)
      })
    })
  }

  test('may throw what is no error', async () => {
    const text = 'export const handler = (event) => { throw event }'
    await withModel({ 'index.mjs': text }, async (running) => {
      await running.start()
      const { outcomes } = await running.infer(['word', null])
      assert.deepEqual(outcomes, [
        { kind: 'error', error: { type: 'string', message: 'word' } },
        { kind: 'error', error: { type: 'object', message: 'null' } },
      ])
    })
  })

  test('loses prints rather than memory when it prints without end', async () => {
    const text =
      'export const handler = () => { for (let i = 0; i < 50_000; i++) ' +
      "console.log('x'.repeat(1000)); return process.stdout.writableLength }"
    await withModel({ 'index.mjs': text }, async (running) => {
      await running.start()
      const held = Number(published((await running.infer([1])).outcomes[0]))
      assert.ok(held <= 2 * 1024 * 1024, `${held} bytes wait`)
    })
  })

  test('ends with the timers that it left running when it is stopped', async () => {
    const text = 'setInterval(() => {}, 1000)\nexport const handler = (event) => event\n'
    await withModel({ 'index.mjs': text }, async (running) => {
      await running.start()
      await running.runner.stop(60_000)
      assert.deepEqual(running.exits, [])
    })
  })
})

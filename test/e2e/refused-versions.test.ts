/** New versions that are no good, of every kind: each is refused with its reason, and the old one serves. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  makeKeys,
  type NewKeys,
  readSigningKey,
  signatureText,
} from '../../src/models/signing-key.ts'
import { SmallDisk } from '../support/small-disk.ts'
import { needsMosquitto } from '../support/mosquitto.ts'
import { needsPython } from '../support/python-interpreters.ts'
import { Incumbent } from '../support/incumbent.ts'
import { filesOf, plainZip } from '../support/zip-bytes.ts'

type Files = Record<string, string | Buffer>

/** A version that must not go live. */
interface BadVersion {
  readonly title: string
  readonly zip: () => Promise<Buffer>
  /** Further lines of the func. */
  readonly func?: string
  readonly reason: RegExp
}

const skip = needsMosquitto || needsPython
const repeat = 'def handler(event, context):\n    return event\n'

/** A package of `examples/models`, with some of its files exchanged; `undefined` leaves one out. */
const altered =
  (kind: string, change: (files: Files) => Record<string, string | Buffer | undefined>) =>
  async (): Promise<Buffer> => {
    const files = await filesOf(
      fileURLToPath(new URL(`../../examples/models/${kind}`, import.meta.url)),
    )
    const changed = Object.entries({ ...files, ...change(files) })
    return plainZip(Object.fromEntries(changed.filter((entry) => entry[1] !== undefined)) as Files)
  }

/** The first half of a file. */
const cutOff =
  (name: string) =>
  (files: Files): Files => {
    const bytes = Buffer.from(files[name] ?? assert.fail(`the example has no ${name}`))
    return { [name]: bytes.subarray(0, bytes.length >> 1) }
  }

const versions: readonly BadVersion[] = [
  {
    title: 'a zip that is cut off',
    zip: async () => (await plainZip({ 'index.py': repeat })).subarray(0, 90),
    reason: /damaged or cut off/,
  },
  {
    title: 'a zip of another digest',
    zip: () => plainZip({ 'index.py': repeat }),
    func: `modelSha256: ${'ab'.repeat(32)}`,
    reason: /sha256 .* expected abab/,
  },
  {
    title: 'Python with a mistake',
    zip: () => plainZip({ 'index.py': 'def handler(event, context)\n' }),
    reason: /index\.py:1/,
  },
  {
    title: 'an estimator whose file is cut off',
    zip: altered('sklearn', cutOff('model.joblib')),
    reason: /model\.joblib/,
  },
  {
    title: 'an estimator with fewer features than the manifest gives it',
    zip: altered('sklearn', ({ 'model.yaml': text = '' }) => ({
      'model.yaml': String(text).replace(/^.*name: current.*\n/m, ''),
    })),
    reason: /has 2 columns.*fitted with 3/,
  },
  {
    title: 'a wheel of another platform',
    zip: () =>
      plainZip({
        'index.py': repeat,
        'requirements.txt': 'pumps==1.0',
        'wheels/pumps-1.0-cp27-cp27m-win32.whl': '',
      }),
    reason: /pumps-1\.0-cp27-cp27m-win32\.whl/,
  },
  {
    title: 'an environment that cannot be built',
    zip: () =>
      plainZip({
        'index.py': repeat,
        'requirements.txt': 'pumps==1.0',
        'wheels/valves-1.0-py3-none-any.whl': 'no wheel at all',
      }),
    reason: /pumps==1\.0/,
  },
  {
    title: 'an ONNX model that is cut off',
    zip: altered('onnx', cutOff('model.onnx')),
    reason: /model\.onnx/,
  },
  {
    title: 'an ONNX model with an input that the manifest does not know',
    zip: altered('onnx', ({ 'model.yaml': text = '' }) => ({
      'model.yaml': String(text).replace('name: rpm,', 'name: revolutions,'),
    })),
    reason: /inputs\[4\]\.name.*revolutions.*rpm/,
  },
  {
    title: 'an ONNX model whose manifest has another shape',
    zip: altered('onnx', ({ 'model.yaml': text = '' }) => ({
      'model.yaml': String(text).replace(
        'path: telemetry.load,',
        'path: telemetry.load, shape: [7],',
      ),
    })),
    reason: /inputs\[3\]\.shape/,
  },
  {
    title: 'a TensorFlow.js model whose weights are cut off',
    zip: altered('tfjs', cutOff('group1-shard1of1.bin')),
    reason: /group1-shard1of1\.bin/,
  },
  {
    title: 'a SavedModel where there is no TensorFlow',
    zip: altered('saved-model', () => ({})),
    reason: /TensorFlow.*\/usr\/bin\/python3/i,
  },
  {
    title: 'a WebAssembly module that is cut off',
    zip: altered('wasm', cutOff('leak.wasm')),
    reason: /leak\.wasm/,
  },
  {
    title: 'a manifest with a mistake',
    zip: altered('onnx', ({ 'model.yaml': text = '' }) => ({
      'model.yaml': String(text).replace('version: 1.0.0', 'version: one'),
    })),
    reason: /model\.yaml:3:\d+.*version/s,
  },
]

describe('with a Mosquitto', { skip }, () => {
  let incumbent: Incumbent

  before(async () => {
    incumbent = await Incumbent.start({ zip: await plainZip({ 'index.py': repeat }) })
  })
  after(() => incumbent?.[Symbol.asyncDispose]())

  for (const { title, zip, func, reason } of versions) {
    test(`refuses ${title}, and the old version goes on`, async () => {
      const offer = { zip: await zip(), ...(func === undefined ? {} : { func }) }
      assert.match(await incumbent.refuses(offer), reason)
    })
  }

  test('meanwhile every message was answered once and in order', async () => {
    await incumbent.assertServedAll()
  })
})

test('refuses a signature of an unknown key, a wrong one, and none', { skip }, async () => {
  const author = makeKeys()
  const models = `require: signature, keys: ["${author.publicLine}"]`
  const first = await plainZip({ 'index.py': repeat })
  const offered = await plainZip({ 'index.py': repeat, 'more.txt': 'version 2' })
  await using incumbent = await Incumbent.start(
    { zip: first, signature: await signed(first, author) },
    { models },
  )
  const byStranger = await signed(offered, makeKeys())
  assert.match(await incumbent.refuses({ zip: offered, signature: byStranger }), /key/)
  const ofAnother = await signed(first, author)
  assert.match(await incumbent.refuses({ zip: offered, signature: ofAnother }), /signature/)
  assert.match(await incumbent.refuses({ zip: offered }), /\.minisig/)
  await incumbent.assertServedAll()
})

test('refuses what the disk has no room for', { skip }, async (context) => {
  using disk = await SmallDisk.mount(8 * 1024 ** 2)
  if (disk === undefined) return context.skip('this user may not mount a disk')
  const first = await plainZip({ 'index.py': repeat })
  const large = await plainZip({ 'index.py': repeat, 'weights.bin': randomBytes(5 * 1024 ** 2) })
  await using incumbent = await Incumbent.start({ zip: first }, { folder: disk.folder })
  assert.match(await incumbent.refuses({ zip: large }), /no room/)
  await incumbent.assertServedAll()
})

async function signed(zip: Buffer, by: NewKeys): Promise<Buffer> {
  const key = await readSigningKey(by.secretText, 'a key')
  const hash = createHash('blake2b512').update(zip).digest()
  return Buffer.from(signatureText(key, hash, 'a test'))
}

/** New versions that are no good, of every kind: each is refused with its reason, and the old one serves. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { EdgebootProcess } from '../support/edgeboot-process.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { needsPython } from '../support/python-interpreters.ts'
import { SteadyTraffic } from '../support/steady-traffic.ts'
import { until } from '../support/wait.ts'
import { Workbench } from '../support/workbench.ts'
import { filesOf, plainZip } from '../support/zip-bytes.ts'

type Files = Record<string, string | Buffer>

/** A version that must not go live. */
interface BadVersion {
  readonly title: string
  readonly zip: () => Promise<Buffer>
  /** Further lines of the func. */
  readonly func?: (zip: Buffer) => string
  readonly reason: RegExp
}

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
    func: () => `modelSha256: ${'ab'.repeat(32)}`,
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

describe('with a Mosquitto', { skip: needsMosquitto || needsPython }, () => {
  let broker: Mosquitto
  let bench: Workbench
  let peer: MqttPeer
  let edgeboot: EdgebootProcess
  let traffic: SteadyTraffic

  /** The pipeline with the model at this path. */
  const configure = (path: string, func = ''): Promise<string> =>
    bench.configure(
      broker.port,
      { model: `modelAddress: ${path}\nworkers: 1\npython: /usr/bin/python3\n${func}`.trimEnd() },
      'qos: 1',
    )

  before(async () => {
    broker = await Mosquitto.start()
    bench = await Workbench.open()
    peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`)
    await bench.write('packages/good.zip', await plainZip({ 'index.py': repeat }))
    edgeboot = bench.run(await configure('packages/good.zip'))
    await edgeboot.ready()
    traffic = await SteadyTraffic.start(peer, 'model', 100)
  })
  after(async () => {
    traffic?.stop()
    await peer?.end()
    await bench?.close()
    await broker?.stop()
  })

  for (const [index, { title, zip, func, reason }] of versions.entries()) {
    test(`refuses ${title}, and the old version goes on`, async () => {
      const bytes = await zip()
      await bench.write(`packages/bad-${index}.zip`, bytes)
      const [was] = await edgeboot.pipelines()
      const told = edgeboot.lines.length
      await configure(`packages/bad-${index}.zip`, func?.(bytes))
      await fetch(`${await edgeboot.address()}/api/v1/reload`, { method: 'POST' })
      const since = (): EdgebootProcess['lines'] => edgeboot.lines.slice(told)
      await until('the end of the reload', () =>
        since().find(({ event }) => /^reload\.(applied|nothing-changed)$/.test(event)),
      )
      const warnings = since().filter(({ level }) => level === 'warn' || level === 'error')
      const reasons = warnings.map(({ reason: why, error, event }) => [why, error, event].join(' '))
      assert.ok(
        reasons.some((text) => reason.test(text)),
        `${reasons.join('\n')} does not match ${String(reason)}`,
      )
      const answered = traffic.answers.length
      await until('further answers', () => traffic.answers.length > answered + 20)
      const [is] = await edgeboot.pipelines()
      assert.equal(is?.state, 'READY')
      assert.equal(is?.modelVersion, was?.modelVersion)
    })
  }

  test('meanwhile every message was answered once and in order', async () => {
    traffic.stop()
    await until('the last answer', () => traffic.answers.length >= traffic.sent)
    assert.deepEqual(
      traffic.answers,
      Array.from({ length: traffic.sent }, (_, n) => n),
    )
  })
})

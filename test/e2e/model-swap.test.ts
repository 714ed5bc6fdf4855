/** Versions of a model that come, fail and go back under traffic: nothing is lost, or out of order. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { EdgebootProcess } from '../support/edgeboot-process.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { needsPython } from '../support/python-interpreters.ts'
import { until } from '../support/wait.ts'
import { Workbench } from '../support/workbench.ts'
import { plainZip } from '../support/zip-bytes.ts'

const keys = 5

interface Answer {
  readonly key: string
  readonly n: number
  /** What the model says, and what the result says of it. */
  readonly model: number
  readonly version: string
}

interface Language {
  readonly name: string
  readonly file: string
  /** A model that says which version it is. */
  readonly code: (version: number) => string
}

const python: Language = {
  name: 'Python',
  file: 'index.py',
  code: (version) => `def handler(event, context):\n    return {**event, "model": ${version}}\n`,
}
const typeScript: Language = {
  name: 'TypeScript',
  file: 'index.ts',
  code: (version) =>
    `export function handler(event: Record<string, unknown>) {\n  return { ...event, model: ${version} }\n}\n`,
}
const samples = (model: number): string =>
  JSON.stringify([{ event: { n: 1 }, expect: { n: 1, model } }])

describe('with a Mosquitto', { skip: needsMosquitto || needsPython }, () => {
  let broker: Mosquitto
  let bench: Workbench
  let peer: MqttPeer
  let edgeboot: EdgebootProcess
  let traffic: NodeJS.Timeout | undefined
  let sent: number
  const answers: Answer[] = []

  beforeEach(async () => {
    broker = await Mosquitto.start(['allow_anonymous true', 'max_queued_messages 100000'])
    bench = await Workbench.open()
    peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`, { protocolVersion: 5 })
    sent = 0
    answers.length = 0
    peer.client.on('message', (_topic, payload, { properties }) => {
      const { deviceInfo, n, model } = JSON.parse(payload.toString()) as {
        deviceInfo: { deviceName: string }
        n: number
        model: number
      }
      const version = String(properties?.userProperties?.['edgeboot-version'])
      answers.push({ key: deviceInfo.deviceName, n, model, version })
    })
  })
  afterEach(async () => {
    clearInterval(traffic)
    try {
      await bench.close()
      await peer.end()
    } finally {
      await broker.stop()
    }
  })

  const serve = async (qos: number, files: Record<string, string>, func = ''): Promise<void> => {
    edgeboot = bench.run(await configure('v1', qos, files, func))
    await edgeboot.ready()
    await peer.client.subscribeAsync('out/model', { qos: 1 })
    traffic = setInterval(() => {
      for (let i = 0; i < 2; i++) {
        const n = Math.floor(sent / keys)
        const event = { deviceInfo: { deviceName: `d${sent % keys}` }, n }
        peer.client.publish('in/model', JSON.stringify(event), { qos: qos === 0 ? 0 : 1 })
        sent += 1
      }
    }, 10)
  }

  const configure = async (
    name: string,
    qos: number,
    files: Record<string, string> | Buffer,
    func = '',
  ): Promise<string> => {
    const zip = Buffer.isBuffer(files) ? files : await plainZip(files)
    await bench.write(`packages/${name}.zip`, zip)
    const lines = [`modelAddress: packages/${name}.zip`, 'workers: 2', func]
    return bench.configure(
      broker.port,
      { model: lines.join('\n').trimEnd() },
      { broker: `qos: ${qos}` },
    )
  }

  /** Lets another version come. @returns The last report of the reload. */
  const update = async (
    name: string,
    qos: number,
    files: Record<string, string> | Buffer,
    func = '',
  ): Promise<void> => {
    await configure(name, qos, files, func)
    const before = edgeboot.lines.length
    await fetch(`${await edgeboot.address()}/api/v1/reload`, { method: 'POST' })
    await until(
      'the end of the reload',
      () =>
        edgeboot.lines
          .slice(before)
          .some(({ event }) => /^reload\.(applied|nothing-changed)$/.test(event)),
      60_000,
    )
  }

  const moreAnswers = async (count: number): Promise<void> => {
    const from = answers.length
    await until('further answers', () => answers.length >= from + count, 30_000)
  }

  /** Every message has exactly one answer, in order, and no key ever goes back to a version. */
  const assertComplete = async (): Promise<void> => {
    clearInterval(traffic)
    await until('the last answer', () => answers.length >= sent, 30_000)
    for (let key = 0; key < keys; key++) {
      const own = answers.filter((answer) => answer.key === `d${key}`)
      const count = Math.ceil((sent - key) / keys)
      const inOrder = Array.from({ length: count }, (_, n) => n)
      assert.deepEqual(
        own.map(({ n }) => n),
        inOrder,
        `d${key}`,
      )
    }
  }
  const assertForward = (): void => {
    const last = new Map<string, number>()
    for (const { key, model } of answers) {
      assert.ok(model >= (last.get(key) ?? 0), `${key} went back to version ${model}`)
      last.set(key, model)
    }
  }
  const status = async () => (await edgeboot.pipelines())[0]

  for (const qos of [0, 1]) {
    for (const { name, file, code } of [python, typeScript]) {
      test(`version after version of a ${name} model takes over at QoS ${qos}, and nothing is lost, repeated or out of order`, async () => {
        await serve(qos, { [file]: code(1), 'tests/samples.json': samples(1) })
        await moreAnswers(50)
        const { pid } = (await status()) ?? {}
        for (const version of [2, 3, 4]) {
          await update(`v${version}`, qos, {
            [file]: code(version),
            'tests/samples.json': samples(version),
          })
          await moreAnswers(50)
        }
        await assertComplete()
        assertForward()
        const versions = new Map(answers.map(({ model, version }) => [model, version]))
        assert.deepEqual([...versions.keys()], [1, 2, 3, 4])
        assert.equal(new Set(versions.values()).size, 4, 'each has a name of its own')
        for (const { model, version } of answers) assert.equal(version, versions.get(model))
        assert.equal((await status())?.pid, pid, 'in one host')
      })
    }
  }

  const refusals: readonly {
    readonly title: string
    readonly language: Language
    readonly files: Record<string, string>
    readonly func?: string
    readonly reason: RegExp
  }[] = [
    {
      title: 'whose samples differ',
      language: python,
      files: { 'index.py': python.code(2), 'tests/samples.json': samples(9) },
      reason: /tests\/samples\.json\[0\]: result\.model is 2, expected 9/,
    },
    {
      title: 'that cannot be loaded',
      language: typeScript,
      files: { 'index.ts': 'export function handler(event {' },
      reason: /index\.ts/,
    },
    {
      title: 'that hangs over its samples',
      language: python,
      files: {
        'index.py': 'def handler(event, context):\n    while True:\n        pass\n',
        'tests/samples.json': samples(2),
      },
      func: 'timeout: 1s',
      reason: /no answer within 1000 ms/,
    },
    {
      title: 'that ends its host while it is loaded',
      language: typeScript,
      files: {
        'index.ts': 'process.kill(process.pid, "SIGKILL")\nexport const handler = () => 1\n',
      },
      reason: /host process was killed by SIGKILL/,
    },
  ]
  for (const { title, language, files, func = '', reason } of refusals) {
    test(`refuses a version ${title}, and says why while the old one serves`, async () => {
      await serve(1, { [language.file]: language.code(1) }, func)
      await moreAnswers(20)
      await update('v2', 1, files, func)
      await moreAnswers(20)
      const { update: last } = (await status()) ?? {}
      assert.equal(last?.state, 'refused')
      assert.match(last.reason, reason)
      if (!title.includes('host')) await assertComplete()
      assert.ok(answers.every(({ model }) => model === 1))
    })
  }

  for (const [fault, code, limit, reason] of [
    [
      'fails too often',
      '    raise ValueError("no")\n',
      'errorRate: 0.01',
      /\d+ errors in \d+ messages/,
    ],
    ['is too slow', '    time.sleep(0.05)\n', 'p99: 40ms', /took longer than 40 ms/],
  ] as const) {
    test(`a version that passes its samples and then ${fault} is rolled back by itself, and not chosen again`, async () => {
      const func = `probation: { messages: 200, ${limit} }`
      await serve(1, { 'index.py': python.code(1) }, func)
      await moreAnswers(20)
      const { modelVersion } = (await status()) ?? {}
      const late =
        'import time\ndef handler(event, context):\n' +
        `    if context.topic == "samples":\n        return {**event, "model": 2}\n${code}` +
        '    return {**event, "model": 2}\n'
      await update('v2', 1, { 'index.py': late, 'tests/samples.json': samples(2) }, func)
      const line = await until(
        'the rollback',
        () => edgeboot.lines.find(({ event }) => event === 'model.rolled-back'),
        60_000,
      )
      assert.match(String(line['reason']), reason)
      await until('the version before', async () => {
        const now = await status()
        return now?.modelVersion === modelVersion && now?.state === 'READY'
      })
      assert.equal((await status())?.update?.state, 'rolled-back')
      await edgeboot.line('model.held')
      // Batches that the bad one was given end there.
      await until('nothing but the version before', async () => {
        await moreAnswers(50)
        return answers.slice(-50).every(({ model }) => model === 1)
      })
      await update('v2', 1, { 'index.py': late, 'tests/samples.json': samples(2) }, func)
      assert.equal((await status())?.modelVersion, modelVersion, 'it is held back')
    })
  }
})

/**
 * The seed's own case: every form of pyboot's configuration, with nothing changed but addresses,
 * from MQTT through its model and back; and the same through `edgeboot migrate`. On a real
 * Mosquitto and on the embedded broker.
 */
import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, before, describe, test } from 'node:test'
import { EmbeddedBroker } from '../../src/transport/embedded-broker.ts'
import { EdgebootProcess } from '../support/edgeboot-process.ts'
import { ModelServer } from '../support/model-server.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { md5Of, zipFolder } from '../support/zip-bytes.ts'

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url))
const modelFolder = join(fixtures, 'models/thend_threshold_zd')
const sample = async (name: string): Promise<Record<string, Record<string, unknown>>> =>
  JSON.parse(await readFile(join(fixtures, 'messages', name), 'utf8')) as never

interface Seed {
  readonly form: string
  readonly input: string
  readonly output: string
  /** Process names, as pyboot gives them. */
  readonly pipelines: readonly string[]
  /** A message that its func wants. */
  readonly message: () => Promise<Record<string, Record<string, unknown>>>
  /** Results that one such message makes. */
  readonly results: number
}

const cloudIn = 'cloud/edge-data-access-a60c2306-1644570929743-e54d4620-8b1a-11ec-9969-df2a36238047'
const cloudOut = 'cloud/edge-pyboot-e060ff31-1644570929743-e54d4620-8b1a-11ec-9969-df2a36238047'
const mosquittoName = 'mosquitto-20336454-5413-4e2f-b52e-b945291359c7'
const trendModel = 'TYPE_TREND_WARNING1644570851718'

const seeds: readonly Seed[] = [
  {
    form: 'v0',
    input: '/gridsum/test/telm/in/m1',
    output: '/gridsum/test/telm/out/m1',
    pipelines: ['sub_process_telm_temperature_telm_temperature_0'],
    message: () => sample('theshld.json'),
    results: 1,
  },
  {
    form: 'v1',
    input: '/gridsum/test/telm/in/thend_threshold_test',
    output: '/gridsum/test/telm/out/thend_threshold_test',
    pipelines: ['sub_process_b1_thend_threshold_zd_0', 'sub_process_b1_thend_threshold_zd_1'],
    message: () => sample('theshld.json'),
    results: 1,
  },
  {
    form: 'v1-expose',
    input: cloudIn,
    output: cloudOut,
    pipelines: [`sub_process_${mosquittoName}_${trendModel}_0`],
    message: () => sample('pyboot-dev-data.json'),
    results: 1,
  },
  {
    form: 'v2',
    input: cloudIn,
    output: cloudOut,
    pipelines: [`sub_process_${mosquittoName}_${trendModel}_0`],
    message: () => sample('pyboot-dev-data.json'),
    results: 1,
  },
  {
    form: 'v3',
    input: cloudIn,
    output: cloudOut,
    pipelines: [`sub_process_${mosquittoName}_industry_0`, `sub_process_${mosquittoName}_test_0`],
    message: async () => {
      const message = await sample('pyboot-dev-data.json')
      const info = { ...message['deviceInfo'], deviceName: '三厂-pyboot测试设备2' }
      return { ...message, deviceInfo: info, telemetry: { ts: 1585194439000, pyboot2: 7 } }
    },
    results: 1,
  },
]

/** A broker to run against. */
interface LocalBroker {
  readonly port: number
  stop(): Promise<void>
}
const brokers = [
  {
    name: 'Mosquitto',
    skip: needsMosquitto,
    start: (): Promise<LocalBroker> => Mosquitto.start(),
  },
  {
    name: 'the embedded broker',
    skip: false as const,
    start: async (): Promise<LocalBroker> => {
      const broker = await EmbeddedBroker.start({ host: '127.0.0.1', port: 0 })
      return { port: Number(new URL(broker.url).port), stop: () => broker.close() }
    },
  },
]

for (const { name, skip, start } of brokers) {
  describe(`on ${name}`, { skip }, () => {
    let broker: LocalBroker
    let models: ModelServer
    let zip: Buffer
    let peer: MqttPeer
    let folder: string

    before(async () => {
      broker = await start()
      zip = await zipFolder(modelFolder)
      models = await ModelServer.start({ '/model.zip': zip })
      peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`)
      await peer.subscribe(...new Set(seeds.map(({ output }) => output)))
      folder = await mkdtemp(join(tmpdir(), 'edgeboot-seeds-'))
      await cp(join(fixtures, 'pyboot-home'), join(folder, 'pyboot-home'), { recursive: true })
    })
    after(async () => {
      await peer.end()
      await models[Symbol.asyncDispose]()
      await broker.stop()
      await rm(folder, { recursive: true })
    })

    /** v0 finds its models in the folder, the later forms fetch them. */
    const homeOf = ({ form }: Seed): string => join(folder, form === 'v0' ? 'pyboot-home' : 'home')

    /** The seed's file with local addresses, and a free port for the web. */
    const localised = async (form: string): Promise<string> => {
      const text = await readFile(join(fixtures, 'config', `${form}.yaml`), 'utf8')
      return text
        .replaceAll('tcp://192.168.241.1:1883', `tcp://127.0.0.1:${broker.port}`)
        .replaceAll('192.168.241.1', '127.0.0.1')
        .replaceAll('_port: 1883', `_port: ${broker.port}`)
        .replaceAll(/http:\/\/10\.200\.60\.18:\S+\.zip/g, models.url('/model.zip'))
        .replaceAll('pZ4DJ+YhYM9ppHD+VhLi+A==', md5Of(zip))
    }

    /** Runs a file, sends a message that is wanted and some that are not, and gives the results. */
    const resultsOf = async (file: string, seed: Seed): Promise<unknown[]> => {
      const edgeboot = EdgebootProcess.run(file, {
        env: { PYBOOT_HOME: homeOf(seed) },
        args: ['--web-port', '0'],
      })
      try {
        await edgeboot.ready()
        const before = peer.messages.length
        if (seed.form !== 'v0') {
          await peer.publish(seed.input, JSON.stringify(await sample('multi_var.json')))
        }
        await peer.publish(seed.input, 'no json')
        await peer.publish(seed.input, JSON.stringify(await seed.message()))
        await peer.received(before + seed.results)
        const { body } = await edgeboot.get('/queue_size_metrics')
        assert.deepEqual(JSON.parse(body), {
          queue_size_metrics: seed.pipelines.map((pipeline) => ({
            sub_process_name: pipeline,
            pre_queue: 0,
            post_queue: 0,
          })),
        })
        assert.equal(await edgeboot.stop(), 0)
        const seen = peer.messages.slice(before)
        assert.ok(seen.every(({ topic }) => topic === seed.output))
        return seen.map(({ text }) => JSON.parse(text) as unknown)
      } finally {
        await edgeboot.stop()
      }
    }

    const expected = async (seed: Seed): Promise<unknown> => {
      const message = await seed.message()
      if (seed.form === 'v0') return { ...message, temperature: 55 }
      const points = Object.keys(message['telemetry'] ?? {}).toSorted()
      return { ...message, alarmResult: { result: 'NORMAL', points }, model_data: '' }
    }

    for (const seed of seeds) {
      test(`${seed.form}.yaml runs end to end`, async () => {
        const file = join(folder, `${seed.form}.yaml`)
        await writeFile(file, await localised(seed.form))
        assert.deepEqual(await resultsOf(file, seed), [await expected(seed)])
      })

      test(`what edgeboot migrate makes of ${seed.form}.yaml runs the same`, async () => {
        const original = join(folder, `${seed.form}-original.yaml`)
        await writeFile(original, await localised(seed.form))
        const migrate = EdgebootProcess.command(['migrate', original], {
          env: { PYBOOT_HOME: homeOf(seed) },
        })
        assert.equal(await migrate.exited, 0, migrate.stderr)
        const file = join(folder, `${seed.form}-migrated.yaml`)
        await writeFile(file, migrate.stdout)
        assert.deepEqual(await resultsOf(file, seed), [await expected(seed)])
      })
    }

    test('the package was fetched once, and never again while its digest is on the disk', () => {
      assert.deepEqual(models.requests, ['GET /model.zip'])
    })
  })
}

/** A configuration that changes under traffic: what changed is exchanged, and nothing is lost. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { CarefulPublisher, type ScheduledMessage } from '../support/careful-publisher.ts'
import type { EdgebootProcess } from '../support/edgeboot-process.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { PersistentCollector } from '../support/persistent-collector.ts'
import { needsPython } from '../support/python-interpreters.ts'
import { until } from '../support/wait.ts'
import { echoPython, echoTypeScript, Workbench } from '../support/workbench.ts'

interface Rule {
  readonly name: string
  readonly func?: string
  readonly more?: string
}

const devices = ['pump-1', 'pump-2', 'pump-3', 'pump-4', 'pump-5']
const stamped = (version: number): string =>
  `def handler(event, context):\n    return {**event, "version": ${version}}\n`

describe('with a Mosquitto', { skip: needsMosquitto || needsPython }, () => {
  let broker: Mosquitto
  let bench: Workbench
  let collector: PersistentCollector
  let publisher: CarefulPublisher | undefined
  let publishing: Promise<void> | undefined
  /** Serial numbers in the order in which they came first, by rule and device. */
  let seen: Map<string, number[]>
  let versions: Set<unknown>

  beforeEach(async () => {
    broker = await Mosquitto.start(['allow_anonymous true', 'max_queued_messages 100000'])
    bench = await Workbench.open()
    seen = new Map()
    versions = new Set()
    collector = await PersistentCollector.open(`mqtt://127.0.0.1:${broker.port}`, {
      clientId: 'collector',
      filter: 'out/#',
      message: (payload, topic) => {
        const event = JSON.parse(payload.toString()) as Record<string, unknown>
        const { deviceName } = event['deviceInfo'] as { deviceName: string }
        const key = `${topic.slice(4)} ${deviceName}`
        const serials = seen.get(key) ?? []
        seen.set(key, serials)
        versions.add(event['version'])
        const serial = Number(event['serial'])
        if (!serials.includes(serial)) serials.push(serial)
      },
    })
  })
  afterEach(async () => {
    publisher?.close()
    await publishing
    publisher = undefined
    publishing = undefined
    await collector.close()
    await bench.close()
    await broker.stop()
  })

  const configure = (rules: readonly Rule[]): Promise<string> => {
    const lines = rules.map(
      ({ name, func = 'echo', more = '' }) =>
        `  - { name: ${name}, sub: { name: plant, topic: in/+ }, pub: { name: plant, topic: out/${name} }, funcs: [${func}]${more} }\n`,
    )
    return bench.write(
      'config.yaml',
      `mqtts: [{ name: plant, broker: "tcp://127.0.0.1:${broker.port}", qos: 1 }]\n` +
        `rules:\n${lines.join('')}` +
        `funcs: [{ modelName: echo }, { modelName: stamp }]\n` +
        `models: { folder: models }\nweb: { port: 0 }\n`,
    )
  }

  /** 500 messages a second for this long. */
  const publish = (seconds: number): number => {
    const count = seconds * 500
    const messages = Array.from({ length: count }, (_, index): ScheduledMessage => {
      const deviceName = devices[index % devices.length] ?? ''
      const serial = Math.floor(index / devices.length)
      const payload = JSON.stringify({ deviceInfo: { deviceName }, serial })
      return { topic: `in/${deviceName}`, payload, dueMs: index * 2 }
    })
    publisher = new CarefulPublisher(`mqtt://127.0.0.1:${broker.port}`, messages, () => {})
    publishing = publisher.run()
    return count
  }

  /** Waits until every message came out of these rules, and asserts that each device's are in order. */
  const assertComplete = async (rules: readonly string[], count: number): Promise<void> => {
    const perDevice = count / devices.length
    const keys = rules.flatMap((rule) => devices.map((device) => `${rule} ${device}`))
    const isThere = (): boolean => keys.every((key) => seen.get(key)?.length === perDevice)
    await until('every message', isThere, 40_000).catch((error: unknown) => {
      const counts = keys.map((key) => `${key}: ${seen.get(key)?.length ?? 0}`)
      throw new Error(`of ${perDevice} each: ${counts.join(', ')}`, { cause: error })
    })
    const inOrder = Array.from({ length: perDevice }, (_, serial) => serial)
    for (const key of keys) assert.deepEqual(seen.get(key), inOrder, key)
  }

  const pids = async (edgeboot: EdgebootProcess): Promise<Record<string, number | undefined>> =>
    Object.fromEntries((await edgeboot.pipelines()).map(({ rule, pid }) => [rule, pid]))
  const post = async (edgeboot: EdgebootProcess, path: string): Promise<Response> =>
    fetch(`${await edgeboot.address()}${path}`, { method: 'POST' })

  beforeEach(async () => {
    await bench.write('models/echo/index.ts', echoTypeScript)
    await bench.write('models/stamp/index.py', stamped(1))
  })

  test('rules that change, come and go under 500 messages a second lose nothing and keep the order', async () => {
    const rules = [{ name: 'a' }, { name: 'b', func: 'stamp' }, { name: 'c' }]
    const edgeboot = bench.run(await configure(rules))
    await edgeboot.ready()
    const before = await pids(edgeboot)
    const count = publish(8)
    await collector.receives(1000)
    await configure([
      { name: 'new' },
      { name: 'a' },
      { name: 'b', func: 'stamp', more: ', queue: { size: 50 }' },
    ])
    edgeboot.signal('SIGHUP')
    const line = await edgeboot.line('reload.applied')
    assert.deepEqual(
      [line['unchanged'], line['replaced'], line['added'], line['removed']],
      [
        1,
        ['sub_process_plant_stamp_0'],
        ['sub_process_plant_echo_1'],
        ['sub_process_plant_echo_1'],
      ],
    )
    await edgeboot.ready()
    const after = await pids(edgeboot)
    assert.deepEqual(Object.keys(after), ['new', 'a', 'b'], 'in the order of the file')
    assert.equal(after['a'], before['a'], 'who did not change keeps its host')
    assert.notEqual(after['b'], before['b'])
    await edgeboot.line('broker.connected', (line) => line['rule'] === 'b' && !line['successor'])
    // And twice at once: the second is the one that counts.
    await configure([{ name: 'a' }, { name: 'b', func: 'stamp', more: ', queue: { size: 60 }' }])
    edgeboot.signal('SIGHUP')
    await until('the next', () => edgeboot.lines.filter((l) => l.event === 'reload.requested')[1])
    await configure([{ name: 'a' }, { name: 'b', func: 'stamp', more: ', queue: { size: 70 }' }])
    edgeboot.signal('SIGHUP')
    await assertComplete(['a', 'b'], count)
    await edgeboot.line('broker.session-abandoned')
    assert.equal((await pids(edgeboot))['a'], before['a'])
  })

  test('a file with mistakes is refused with all of them, and the traffic goes on', async () => {
    const edgeboot = bench.run(await configure([{ name: 'a' }, { name: 'b', func: 'stamp' }]))
    await edgeboot.ready()
    const before = await pids(edgeboot)
    const count = publish(2)
    await configure([
      { name: 'a', more: ', orderBy: devices' },
      { name: 'b', func: 'stomp' },
    ])
    edgeboot.signal('SIGHUP')
    const line = await edgeboot.line('reload.refused')
    assert.match(String(line['error']), /config\.yaml:3:\d+: .*devices/)
    assert.match(String(line['error']), /config\.yaml:4:\d+: .*stomp.*did you mean stamp/)
    const answer = await post(edgeboot, '/api/v1/reload')
    assert.equal(answer.status, 422)
    assert.match(await answer.text(), /stomp/)
    await assertComplete(['a', 'b'], count)
    assert.deepEqual(await pids(edgeboot), before)
    const { body } = await edgeboot.get('/metrics')
    assert.match(body, /^edgeboot_config_reloads_total\{result="refused"\} 2$/m)
    assert.match((await edgeboot.get('/')).body, /Last reload: .*refused/)
  })

  test('with --watch a changed model replaces its pipeline, one that cannot be loaded does not', async () => {
    const config = await configure([{ name: 'a' }, { name: 'b', func: 'stamp' }])
    const edgeboot = bench.command('run', '--config', config, '--log-format', 'json', '--watch')
    await edgeboot.ready()
    await edgeboot.line('reload.watching')
    const before = await pids(edgeboot)
    const count = publish(8)
    await collector.receives(500)
    await bench.write('models/stamp/index.py', 'def handler(event, context)\n    return event\n')
    const refused = await edgeboot.line('reload.pipeline-refused')
    assert.match(String(refused['reason']), /index\.py:1/)
    assert.deepEqual(await pids(edgeboot), before)
    await bench.write('models/stamp/index.py', stamped(2))
    const replaced = await edgeboot.line('reload.pipeline-replaced')
    assert.deepEqual(
      [replaced['pipeline'], replaced['why']],
      ['sub_process_plant_stamp_0', 'model'],
    )
    await assertComplete(['a', 'b'], count)
    assert.ok(versions.has(1) && versions.has(2))
    assert.equal((await pids(edgeboot))['a'], before['a'])
  })

  test('a broken pipeline is mended by a changed model, and by a restart that somebody asks for', async () => {
    await bench.write('models/stamp/index.py', 'def handler(event, context)\n    return event\n')
    const edgeboot = bench.run(await configure([{ name: 'b', func: 'stamp' }]))
    const isBroken = async (): Promise<boolean> =>
      (await edgeboot.pipelines())[0]?.state === 'BROKEN'
    await until('BROKEN', isBroken)
    edgeboot.signal('SIGHUP')
    await edgeboot.line('reload.nothing-changed')
    assert.ok(await isBroken(), 'neither its configuration nor its model changed')
    assert.equal((await post(edgeboot, '/api/v1/pipelines/nobody/restart')).status, 404)
    const path = '/api/v1/pipelines/sub_process_plant_stamp_0/restart'
    assert.equal((await post(edgeboot, path)).status, 202)
    await edgeboot.line('reload.pipeline-replaced', (line) => line['why'] === 'asked')
    await until('BROKEN again', isBroken)
    await bench.write('models/stamp/index.py', echoPython)
    assert.equal((await post(edgeboot, '/api/v1/reload')).status, 202)
    await edgeboot.ready()
    await edgeboot.line('admin.request', (line) => line['path'] === '/api/v1/reload')
  })

  test('kill -9 of the main process in the midst of a reload loses nothing', async () => {
    await bench.write('models/stamp/index.py', `import time\ntime.sleep(1)\n${stamped(1)}`)
    const config = await configure([{ name: 'a' }, { name: 'b', func: 'stamp' }])
    const edgeboot = bench.run(config)
    await edgeboot.ready()
    const count = publish(6)
    await collector.receives(1000)
    const size = ', queue: { size: 50 }'
    await configure([
      { name: 'a', more: size },
      { name: 'b', func: 'stamp', more: size },
    ])
    edgeboot.signal('SIGHUP')
    await edgeboot.line('host.started', (line) => line['successor'] === true)
    edgeboot.signal('SIGKILL')
    await edgeboot.exited
    const next = bench.run(config)
    await next.ready()
    await assertComplete(['a', 'b'], count)
  })
})

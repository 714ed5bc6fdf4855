/** What goes wrong in a plant: each kind of trouble, and its neighbours going on. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PipelineStats } from '../../src/pipeline/pipeline-stats.ts'
import type { EdgebootProcess } from '../support/edgeboot-process.ts'
import { ModelServer } from '../support/model-server.ts'
import { freePort } from '../../src/cli/chaos/local-broker.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { until } from '../support/wait.ts'
import { echoPython, echoTypeScript, Workbench } from '../support/workbench.ts'
import { md5Of, zipFolder } from '../support/zip-bytes.ts'

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const statsOf = async (edgeboot: EdgebootProcess, rule: string): Promise<PipelineStats> => {
  const found = (await edgeboot.pipelines()).find((pipeline) => pipeline.rule === rule)
  assert.ok(found, `no pipeline of rule ${rule}`)
  return found.stats
}

const dropsOf = async (
  edgeboot: EdgebootProcess,
  rule: string,
): Promise<Record<string, number>> => {
  const { dropped } = await statsOf(edgeboot, rule)
  return Object.fromEntries(Object.entries(dropped).filter(([, count]) => count > 0))
}

/** What was given up is counted when its dead letter is on the disk, which may be slow. */
const assertDrops = async (
  edgeboot: EdgebootProcess,
  rule: string,
  expected: Record<string, number>,
): Promise<void> => {
  const wanted = Object.values(expected).reduce((sum, count) => sum + count, 0)
  await until(`${wanted} drops of ${rule}`, async () => {
    const counts = Object.values(await dropsOf(edgeboot, rule))
    return counts.reduce((sum, count) => sum + count, 0) >= wanted ? true : undefined
  })
  assert.deepEqual(await dropsOf(edgeboot, rule), expected)
}

describe('with a Mosquitto', { skip: needsMosquitto }, () => {
  let broker: Mosquitto
  let bench: Workbench
  let peer: MqttPeer

  const connectPeer = async (): Promise<MqttPeer> => {
    const connected = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`)
    await connected.subscribe('out/#')
    return connected
  }

  beforeEach(async () => {
    broker = await Mosquitto.start()
    bench = await Workbench.open()
    peer = await connectPeer()
  })
  afterEach(async () => {
    await peer.end()
    await bench.close()
    await broker.stop()
  })

  test('a TypeScript and a Python model answer side by side', async () => {
    await bench.write('models/ts/index.ts', echoTypeScript)
    await bench.write('models/py/index.py', echoPython)
    const edgeboot = bench.run(await bench.configure(broker.port, { ts: '', py: '' }))
    await edgeboot.ready()
    await peer.publish('in/ts', '{"n":1}')
    await peer.publish('in/py', '{"n":2}')
    const seen = await peer.received(2)
    const results = Object.fromEntries(
      seen.map(({ topic, text }) => [topic, JSON.parse(text) as unknown]),
    )
    assert.deepEqual(results, { 'out/py': { n: 2 }, 'out/ts': { n: 1 } })
  })

  test('models that cannot be loaded say which file and line, and the others run', async () => {
    await bench.write('models/healthy/index.py', echoPython)
    await bench.write('models/empty/readme.txt', 'nothing to run here')
    await bench.write('models/handlerless/index.py', 'answer = 42\n')
    await bench.write('models/crooked/index.py', '\n\ndef handler(event, context)\n    return 1\n')
    await bench.write('models/lacking/index.py', 'import os\nimport surely_not_installed\n')
    await bench.write('models/crookedjs/index.ts', '\nexport function handler( {\n')
    const names = ['healthy', 'empty', 'handlerless', 'crooked', 'lacking', 'crookedjs']
    const models = Object.fromEntries(names.map((name) => [name, '']))
    const edgeboot = bench.run(await bench.configure(broker.port, models))
    const states = await until('five broken and one READY', async () => {
      const pipelines = await edgeboot.pipelines()
      const broken = pipelines.filter(({ state }) => state === 'BROKEN').length
      return broken === 5 && pipelines[0]?.state === 'READY' ? pipelines : undefined
    })
    const reasonOf = (name: string): string =>
      states.find(({ rule }) => rule === name)?.reason ?? ''
    assert.match(reasonOf('empty'), /models\/empty/)
    assert.match(reasonOf('handlerless'), /handler.*index\.py/s)
    assert.match(reasonOf('crooked'), /index\.py:3/)
    assert.match(reasonOf('lacking'), /surely_not_installed.*index\.py:2/s)
    assert.match(reasonOf('crookedjs'), /index\.ts:2/)
    await peer.publish('in/healthy', '{"still":"here"}')
    assert.equal((await peer.received(1))[0]?.text, '{"still": "here"}')
    assert.equal((await edgeboot.get('/readyz')).status, 503)
    assert.equal((await edgeboot.get('/livez')).status, 200)
  })

  test('a handler that throws, or returns what JSON cannot hold, is counted and nothing is published', async () => {
    await bench.write(
      'models/moody/index.py',
      'def handler(event, context):\n' +
        '    print("seen", event["n"])\n' +
        '    if event["n"] == 1: raise ValueError("no")\n' +
        '    if event["n"] == 2: return float("nan")\n' +
        '    if event["n"] == 3: return {1, 2}\n' +
        '    if event["n"] == 4: return None\n' +
        '    if event["n"] == 5: return {}\n' +
        '    if event["n"] == 6: return "null"\n' +
        '    return event\n',
    )
    const edgeboot = bench.run(await bench.configure(broker.port, { moody: '' }))
    await edgeboot.ready()
    for (let n = 1; n <= 7; n++) await peer.publish('in/moody', JSON.stringify({ n }))
    const seen = await peer.received(1)
    assert.deepEqual(
      seen.map(({ text }) => text),
      ['{"n": 7}'],
    )
    await assertDrops(edgeboot, 'moody', { empty: 3, model: 3 })
    const printed = await edgeboot.line('model.print', (line) => line['line'] === 'seen 7')
    assert.equal(printed['pipeline'], 'sub_process_plant_moody_0')
  })

  test('payloads that are no event are counted as decode and the pipeline goes on', async () => {
    await bench.write('models/echo/index.ts', echoTypeScript)
    const edgeboot = bench.run(await bench.configure(broker.port, { echo: '' }))
    await edgeboot.ready()
    const bad: (string | Buffer)[] = [
      '',
      'text',
      '{"a":NaN}',
      '{"__proto__":{"polluted":true}}',
      '['.repeat(1 << 20),
      Buffer.from([0x7b, 0xff, 0x7d]),
    ]
    for (const payload of bad) await peer.publish('in/echo', payload)
    await peer.publish('in/echo', '{"fine":1}')
    assert.equal((await peer.received(1))[0]?.text, '{"fine":1}')
    await assertDrops(edgeboot, 'echo', { decode: bad.length })
  })

  test('a runner that dies is restarted, says why, and its neighbour does not notice', async () => {
    await bench.write(
      'models/suicidal/index.py',
      'import os, sys\n\n\ndef handler(event, context):\n' +
        '    if event.get("die"):\n' +
        '        print("my last words", file=sys.stderr)\n' +
        '        os._exit(3)\n' +
        '    return event\n',
    )
    await bench.write('models/steady/index.py', echoPython)
    const edgeboot = bench.run(await bench.configure(broker.port, { suicidal: '', steady: '' }))
    await edgeboot.ready()
    await peer.publish('in/suicidal', '{"die":true}')
    await peer.publish('in/suicidal', '{"after":1}')
    await peer.publish('in/steady', '{"n":1}')
    const seen = await peer.received(2)
    assert.deepEqual(seen.map(({ text }) => text).toSorted(), ['{"after": 1}', '{"n": 1}'])
    await assertDrops(edgeboot, 'suicidal', { crash: 1 })
    const lost = await edgeboot.line('runner.lost')
    assert.match(JSON.stringify(lost), /code 3.*my last words|my last words.*code 3/)
    assert.equal((await statsOf(edgeboot, 'steady')).runnerRestarts, 0)
  })

  test('a handler that hangs costs its runner after the timeout, and the next event is served', async () => {
    await bench.write(
      'models/hanging/index.ts',
      'export function handler(event: { hang?: boolean }) {\n' +
        '  while (event.hang) {}\n  return event\n}\n',
    )
    const config = await bench.configure(broker.port, { hanging: 'timeout: 300ms' })
    const edgeboot = bench.run(config)
    await edgeboot.ready()
    await peer.publish('in/hanging', '{"hang":true}')
    await peer.publish('in/hanging', '{"n":1}')
    assert.equal((await peer.received(1))[0]?.text, '{"n":1}')
    await until(
      'the event to be given up',
      async () => (await dropsOf(edgeboot, 'hanging'))['deadline'],
    )
  })

  test('a host that is killed is restarted, and takes its runner with it', async () => {
    await bench.write('models/echo/index.py', echoPython)
    const edgeboot = bench.run(await bench.configure(broker.port, { echo: '' }))
    await edgeboot.ready()
    const runnerPid = Number((await edgeboot.line('runner.ready'))['runnerPid'])
    const [{ pid: hostPid = 0 } = {}] = await edgeboot.pipelines()
    process.kill(hostPid, 'SIGKILL')
    const retry = await edgeboot.line('pipeline.retry')
    assert.match(String(retry['error']), /killed by SIGKILL/)
    await until('the runner to be gone', () => !isAlive(runnerPid))
    await until('another host', async () => (await edgeboot.pipelines())[0]?.pid !== hostPid)
    await edgeboot.ready()
    await peer.publish('in/echo', '{"n":1}')
    await peer.received(1)
    assert.equal((await edgeboot.pipelines())[0]?.restarts, 1)
  })

  test('when the main process is killed nothing of it stays behind', async () => {
    await bench.write('models/py/index.py', echoPython)
    await bench.write('models/ts/index.ts', echoTypeScript)
    const edgeboot = bench.run(await bench.configure(broker.port, { py: '', ts: '' }))
    await edgeboot.ready()
    const hosts = (await edgeboot.pipelines()).map(({ pid }) => pid ?? 0)
    const runner = await edgeboot.line('runner.ready', (line) => line['runnerPid'] !== undefined)
    edgeboot.signal('SIGKILL')
    const pids = [...hosts, Number(runner['runnerPid'])]
    await until('hosts and runners to be gone', () => pids.every((pid) => !isAlive(pid)))
  })

  test('a broker that is absent at start, and one that is killed, are waited for', async () => {
    await bench.write('models/echo/index.ts', echoTypeScript)
    await broker.halt()
    const edgeboot = bench.run(await bench.configure(broker.port, { echo: '' }))
    await until('a reason', async () => {
      const { status, body } = await edgeboot.get('/readyz')
      return status === 503 && /plant.*127\.0\.0\.1.*next attempt in/.test(body)
    })
    await broker.resume()
    await edgeboot.ready()
    await broker.halt('SIGKILL')
    await until('unready', async () => (await edgeboot.get('/readyz')).status === 503)
    await broker.resume()
    await edgeboot.ready()
    const fresh = await connectPeer()
    await fresh.publish('in/echo', '{"n":1}')
    await fresh.received(1)
    await fresh.end()
  })

  test('a second instance with the same client ids is noticed and named, and the two do not flap', async () => {
    await bench.write('models/echo/index.ts', echoTypeScript)
    const config = await bench.configure(broker.port, { echo: '' })
    const instances = [bench.run(config), bench.run(config)]
    // Debian's Mosquitto gives no reason: it takes four closes in a row to be sure.
    const takenOf = (clientId: string): EdgebootProcess | undefined =>
      instances.find(({ lines }) =>
        lines.some(
          (line) => line.event === 'broker.session-taken' && line['clientId'] === clientId,
        ),
      )
    for (const clientId of ['echo-in', 'echo-out']) {
      const loser = await until(`the taken session of ${clientId}`, () => takenOf(clientId), 60_000)
      const [pipeline] = await loser.pipelines()
      assert.match(pipeline?.reason ?? '', new RegExp(`${clientId}.*next attempt in`))
    }
    const connections = (): number =>
      instances.flatMap(({ lines }) => lines).filter(({ event }) => event === 'broker.connected')
        .length
    const before = connections()
    // Longer than any reconnect that is not held back.
    await sleep(3000)
    assert.equal(connections(), before)
  })

  test('a package that is refused leaves the previous one in use', async () => {
    await bench.write('source/index.py', echoPython)
    const zip = await zipFolder(`${bench.folder}/source`)
    await using server = await ModelServer.start({ '/echo.zip': zip })
    const func = (md5: string): string =>
      `modelAddress: ${server.url('/echo.zip')}\nmodelMd5: ${md5}`
    const first = bench.run(await bench.configure(broker.port, { echo: func(md5Of(zip)) }))
    await first.ready()
    assert.equal(await first.stop(), 0)
    const wrong = md5Of(Buffer.from('another file'))
    const second = bench.run(await bench.configure(broker.port, { echo: func(wrong) }))
    const kept = await second.line('model.kept-previous')
    assert.equal(kept['code'], 'MODEL_DIGEST_MISMATCH')
    await second.ready()
    await peer.publish('in/echo', '{"n":1}')
    await peer.received(1)
  })

  test('a package that was never there is waited for, and taken when its server has it', async () => {
    await bench.write('source/index.py', echoPython)
    const port = await freePort()
    const config = await bench.configure(broker.port, {
      echo: `modelAddress: http://127.0.0.1:${port}/echo.zip`,
    })
    const edgeboot = bench.run(config)
    const retry = await edgeboot.line('pipeline.retry')
    assert.equal(retry['code'], 'MODEL_DOWNLOAD_FAILED')
    assert.equal((await edgeboot.get('/readyz')).status, 503)
  })

  test('DOWNLOAD_MODEL=False forbids the network, and says so', async () => {
    await using server = await ModelServer.start()
    const func = `modelAddress: ${server.url('/echo.zip')}`
    const config = await bench.configure(broker.port, { echo: func })
    const edgeboot = bench.run(config, { DOWNLOAD_MODEL: 'False' })
    const retry = await edgeboot.line('pipeline.retry')
    assert.equal(retry['code'], 'MODEL_DOWNLOAD_FORBIDDEN')
    assert.deepEqual(server.requests, [])
  })
})

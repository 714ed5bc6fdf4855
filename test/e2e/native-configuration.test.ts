/** The native form at work: secrets, wildcards, devices, conditions, parameters, workers. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test, type TestContext } from 'node:test'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { until } from '../support/wait.ts'
import { Workbench } from '../support/workbench.ts'

describe('a native configuration', { skip: needsMosquitto }, () => {
  let bench: Workbench
  let broker: Mosquitto

  beforeEach(async () => {
    bench = await Workbench.open()
    const passwords = join(bench.folder, 'passwords')
    spawnSync('mosquitto_passwd', ['-b', '-c', passwords, 'gateway', 'correct-horse'])
    broker = await Mosquitto.start(['allow_anonymous false', `password_file ${passwords}`])
  })
  afterEach(async () => {
    await bench.close()
    await broker.stop()
  })

  test('gives each device its own event, keeps to its conditions, and names device, topic and params', async (context: TestContext) => {
    await bench.write('secret', 'correct-horse\n')
    const report =
      'device: context.device, topic: context.topic, limit: context.params.limit, rule: context.rule'
    await bench.write(
      'models/report/index.mts',
      `export default { handler: (event: unknown, context: any) => ({ ${report} }) }\n`,
    )
    await bench.write(
      'models/report_py/index.py',
      'async def index(event, context):\n' +
        '    return {"device": context.device, "limit": context["params"]["limit"]}\n',
    )
    const config = await bench.write(
      'config.yaml',
      `mqtts:
  - name: plant
    broker: tcp://127.0.0.1:\${BROKER_PORT}
    username: \${MQTT_USER:gateway}
    passwordFile: secret
rules:
  - name: js
    sub: { name: plant, topic: plant/+/telemetry }
    pub: { name: plant, topic: 'js/\${device}/\${topic[1]}' }
    funcs: [report]
  - name: py
    sub: { name: plant, topic: 'plant/#' }
    pub: { name: plant, topic: 'py/\${device}', timeout: 500ms }
    funcs: [report_py]
funcs:
  - modelName: report
    devices:
      - { deviceName: pump-1, pointName: temperature }
      - { deviceName: pump-1, pointName: pressure, name: pump-1-pressure }
      - { deviceName: pump-2, pointName: temperature }
    when: telemetry.temperature > 0.0
    params: { limit: 80 }
    workers: 0
  - modelName: report_py
    devices: [{ deviceName: pump-1 }]
    params: { limit: 90 }
    workers: 2
models: { folder: models }
web: { port: 0 }
`,
    )
    const edgeboot = bench.run(config, { BROKER_PORT: String(broker.port) })
    await edgeboot.ready()
    const peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`, {
      username: 'gateway',
      password: 'correct-horse',
      protocolVersion: 5,
    })
    context.after(() => peer.end())
    await peer.subscribe('js/#', 'py/#')
    const send = (deviceName: string, telemetry: object): Promise<void> =>
      peer.publish('plant/a/telemetry', JSON.stringify({ deviceInfo: { deviceName }, telemetry }))
    await send('pump-1', { temperature: -5, pressure: 3 })
    await send('pump-9', { temperature: 70 })
    await send('pump-1', { temperature: 70, pressure: 3 })
    const seen = await peer.received(3)
    const report1 = { topic: 'plant/a/telemetry', limit: 80, rule: 'js' }
    assert.deepEqual(Object.fromEntries(seen.map(({ topic, text }) => [topic, JSON.parse(text)])), {
      'js/pump-1/a': { device: 'pump-1', ...report1 },
      'js/pump-1-pressure/a': { device: 'pump-1-pressure', ...report1 },
      'py/pump-1': { device: 'pump-1', limit: 90 },
    })
    assert.deepEqual(Object.keys(seen[0]?.userProperties ?? {}), [
      'edgeboot-rule',
      'edgeboot-model',
      'edgeboot-version',
      'edgeboot-id',
    ])
    const [js, py] = await edgeboot.pipelines()
    assert.deepEqual([js?.stats.dropped.when, js?.stats.dropped.device], [2, 1])
    assert.equal(js?.stats.fannedOut, 2, 'two messages that fit two entries')
    assert.equal(py?.stats.dropped.device, 1)
    const loaded = edgeboot.lines.filter(
      ({ event, rule }) => event === 'runner.ready' && rule === 'py',
    )
    assert.equal(loaded.length, 2, 'two Python processes for workers: 2')
  })

  test('a wrong password is named, without the password, and the pipeline keeps trying', async () => {
    await bench.write('models/m/index.js', 'export const handler = (event) => event\n')
    const config = await bench.configure(
      broker.port,
      { m: '' },
      { broker: 'username: gateway\npassword: wrong-horse' },
    )
    const edgeboot = bench.run(config)
    const reason = await until('the reason', async () => {
      const [pipeline] = await edgeboot.pipelines()
      return /not authori[sz]ed|password/i.exec(pipeline?.reason ?? '') && pipeline?.reason
    })
    assert.match(reason, /plant.*next attempt in/)
    assert.doesNotMatch(edgeboot.stdout, /wrong-horse/)
  })

  test('npm run --silent edgeboot passes arguments in and the exit status out', async () => {
    const wrong = await bench.write('wrong.yaml', 'mqtts: 7\n')
    const run = spawnSync('npm', ['run', '--silent', 'edgeboot', '--', 'validate', wrong])
    assert.equal(run.status, 3, run.stderr.toString())
  })
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { addExplainCommand } from '../../../src/cli/explain.ts'
import { EdgebootError } from '../../../src/core/errors.ts'
import { explainPipeline } from '../../../src/host/explain-pipeline.ts'
import { emptyTrail } from '../../../src/pipeline/trail.ts'
import { pipelineSettings } from '../../support/pipeline-settings.ts'
import { Scratch } from '../../support/scratch.ts'
import { runCommand, type CommandRun } from './run-command.ts'

const root = join(import.meta.dirname, '../../..')

const config = `
mqtts: [{ name: plant, broker: "tcp://127.0.0.1:1" }]
rules:
  - name: alarms
    sub: { name: plant, topic: plant/+/telemetry }
    pub: { name: plant, topic: "plant/\${device}/alarm" }
funcs:
  - modelName: threshold
    devices: [{ deviceName: pump-1, pointName: temperature }]
web: { port: 0 }
`

async function explain(
  args: readonly string[],
  more: { cwd?: string; env?: Record<string, string> } = {},
): Promise<CommandRun> {
  const { cwd = root, env = {} } = more
  return runCommand(addExplainCommand, ['explain', ...args], { cwd, env })
}

function usage(pattern: RegExp): (thrown: unknown) => boolean {
  return (thrown) =>
    thrown instanceof EdgebootError && thrown.code === 'CLI_USAGE' && pattern.test(thrown.message)
}

/** An instance that answers the same to everybody, and what it was asked. */
async function instance(
  t: TestContext,
  answer: unknown,
): Promise<{ url: string; asked: unknown[] }> {
  const asked: unknown[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      asked.push(JSON.parse(Buffer.concat(chunks).toString()))
      response.end(JSON.stringify(answer))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close().closeAllConnections())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

test('names the attribute that does not hold, from the configuration alone', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('conf/config.yaml', config)
  const event = { deviceInfo: { deviceName: 'pump-1' }, telemetry: { temperatur: 1, pressure: 2 } }
  const args = ['--offline', '-t', 'plant/pump-1/telemetry', JSON.stringify(event)]
  const { stdout, stderr, status } = await explain(args, { cwd: scratch.folder })
  assert.equal(
    stdout,
    `rule alarms · func threshold
  ✔ topic     plant/pump-1/telemetry matches plant/+/telemetry
  ✔ decode    JSON, 80 bytes
  ✘ device    pump-1: pointName: telemetry has no temperature; it has: temperatur, pressure (did you mean temperatur?)
  → dropped: device, no device entry of the func fits

from conf/config.yaml
`,
  )
  assert.deepEqual([stderr, status], ['', 0])
})

test('shows the Python of a pyboot file as it is written there', async () => {
  const { stdout } = await explain([
    '--offline',
    '-c',
    'test/fixtures/config/v3.yaml',
    '-f',
    'test/fixtures/messages/theshld.json',
  ])
  assert.match(stdout, /deviceInfo\.deviceName is "设备3", not "三厂-pyboot测试设备1"\n/)
  assert.match(
    stdout,
    /the file says: '三厂-pyboot测试设备1' == data_to_dict\['deviceInfo'\]\['deviceName'\]\n/,
  )
  assert.doesNotMatch(stdout, /event\./)
})

test('agrees with the messages of pyboot in every form of its configuration', async () => {
  for (const [form, message, verdict] of [
    ['v0', 'theshld', 'taken'],
    ['v1', 'theshld', 'taken'],
    ['v1', 'multi_var', 'device'],
    ['v2', 'pyboot-dev-data', 'taken'],
    ['v2', 'theshld-device1-1', 'device'],
    ['v3', 'pyboot-dev-data', 'device'],
  ] as const) {
    const { stdout } = await explain([
      '--offline',
      '--json',
      `--config=test/fixtures/config/${form}.yaml`,
      `--file=test/fixtures/messages/${message}.json`,
    ])
    const { pipelines } = JSON.parse(stdout) as {
      pipelines: { verdict: string; reason?: string }[]
    }
    assert.ok(pipelines.length > 0)
    for (const one of pipelines)
      assert.equal(one.reason ?? one.verdict, verdict, `${form} ${message}`)
  }
})

test('falls back to the configuration when no instance answers, and says so in one line', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('conf/config.yaml', config)
  const { stdout, stderr } = await explain(['-t', 'a'], { cwd: scratch.folder })
  assert.match(
    stdout,
    /^No pipeline subscribes to this topic\.\nNot for:\n.*level 1 is a, not plant/,
  )
  assert.match(stderr, /^[^\n]*this is what conf\/config\.yaml says, without counts\n$/)
})

test('does not fall back when an instance was asked for', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('conf/config.yaml', config)
  const unreachable = { code: 'CLI_INSTANCE_UNREACHABLE' }
  const { folder: cwd } = scratch
  await assert.rejects(explain(['-t', 'a', '--online'], { cwd }), unreachable)
  await assert.rejects(explain(['-t', 'a', '--url', 'http://127.0.0.1:1'], { cwd }), unreachable)
})

test('shows the state, the counts and the last endings of a running instance', async (t) => {
  const settings = pipelineSettings()
  const now = Date.now()
  const running = {
    state: 'READY',
    since: now,
    reason: '',
    received: 12_031,
    published: 11_999,
    spooled: 0,
    dropped: { device: 30, model: 2 },
    deadLettered: 2,
    trail: {
      ...emptyTrail,
      remembered: 1000,
      byEnding: { device: 2, published: 8 },
      last: [
        { topic: 'in/a', device: 'pump', ending: 'published', at: now - 3000, latencyMs: 1.25 },
      ],
      reasons: { model: { text: 'ValueError: \u001b[2Jbad', at: now - 180_000 } },
    },
  }
  const question = { topic: 'in/a', retain: false }
  const explained = { ...explainPipeline(settings, question), running }
  const { url, asked } = await instance(t, { pipelines: [explained] })
  const { stdout } = await explain(['--url', url, '-t', 'in/a', '--last', '5', '{"a":1}'])
  assert.deepEqual(asked, [{ topic: 'in/a', retain: false, last: 5, payload: '{"a":1}' }])
  assert.equal(
    stdout,
    `rule echo · func echo   READY, 12,031 received, 11,999 published
  ✔ topic     in/a matches in/#
  → comes here; give the message as well to see what becomes of it
  last of this topic: 8 published, 2 device (newest 3 s ago: published)
         3 s ago  published            1.3 ms  pump
  drops of all topics: 30 device, 2 model; 2 kept: edgeboot dlq list
  last drop by model, 3 min ago: ValueError:  [2Jbad

from ${url}
`,
  )
})

test('sends bytes that are no text as they are', async (t) => {
  await using scratch = await Scratch.make()
  await scratch.write('bytes', Buffer.from([0xff, 0xfe]))
  const { url, asked } = await instance(t, { pipelines: [] })
  const { stdout } = await explain(['--url', url, '--file', scratch.path('bytes')])
  assert.deepEqual(asked, [{ retain: false, payloadBase64: '//4=' }])
  assert.match(stdout, /^There are no pipelines\.\n/)
})

test('refuses an answer that it does not understand', async (t) => {
  for (const answer of [{}, [], { pipelines: [{}] }, { pipelines: [null] }, 3]) {
    const { url } = await instance(t, answer)
    await assert.rejects(explain(['--url', url, '-t', 'a']), { code: 'CLI_INSTANCE_REFUSED' })
  }
})

test('refuses what makes no question', async () => {
  await assert.rejects(explain([]), usage(/neither a topic nor a message/))
  await assert.rejects(explain(['-t', 'a/+']), usage(/wildcard \+: it is a filter/))
  await assert.rejects(explain(['-t', '']), usage(/is empty/))
  await assert.rejects(explain(['{}', '--file', 'x']), usage(/given twice/))
  await assert.rejects(
    explain(['--file', 'absent.json']),
    usage(/absent\.json cannot be read: ENOENT/),
  )
  await assert.rejects(explain(['-t', 'a', '--offline', '--online']), usage(/--offline/))
})

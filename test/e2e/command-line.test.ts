/** The command as its user meets it: help, mistakes, exit statuses, signals. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { after, before, test } from 'node:test'
import { until } from '../support/wait.ts'
import { echoTypeScript, Workbench } from '../support/workbench.ts'

let bench: Workbench
before(async () => {
  bench = await Workbench.open()
})
after(() => bench.close())

const embedded = (more: string): string =>
  'mqtts: [{ name: plant, broker: "embedded://127.0.0.1:0" }]\n' +
  'rules: [{ name: echo, sub: { name: plant, topic: in }, pub: { name: plant, topic: out } }]\n' +
  `funcs: [{ modelName: echo }]\nmodels: { folder: models }\n${more}\n`

test('--help names every command and the exit statuses', async () => {
  const help = bench.command('--help')
  assert.equal(await help.exited, 0)
  for (const word of ['run', 'validate', 'schema', 'migrate', 'demo', 'Exit status']) {
    assert.match(help.stdout, new RegExp(word))
  }
})

test('a reader that leaves early is no failure', () => {
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
  const line = '"$0" "$1" schema | head -n 1; echo "${PIPESTATUS[0]}"'
  const { stdout, stderr } = spawnSync('bash', ['-c', line, process.execPath, main])
  assert.equal(stdout.toString(), '{\n0\n')
  assert.equal(stderr.toString(), '')
})

test('every command has help of its own with an example', async () => {
  for (const name of ['run', 'validate', 'schema', 'migrate', 'demo']) {
    const help = bench.command(name, '--help')
    assert.equal(await help.exited, 0)
    assert.match(help.stdout, new RegExp(`edgeboot ${name}`))
  }
})

test('--version prints the version of the package', async () => {
  const version = bench.command('--version')
  assert.equal(await version.exited, 0)
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/)
})

test('a word that is no command is a usage error with a suggestion', async () => {
  const typo = bench.command('rnu')
  assert.equal(await typo.exited, 2)
  assert.match(typo.stderr, /unknown command 'rnu'.*run.*fix: .*--help/s)
})

test('run lists every mistake of a configuration with its line, and exits 3', async () => {
  const file = await bench.write(
    'wrong.yaml',
    'mqtts:\n  - { name: plant, broker: tcp://127.0.0.1:1883, qoss: 0 }\n' +
      'rules:\n' +
      '  - { name: a, sub: { name: plant, topic: t }, pub: { name: plantt, topic: u } }\n' +
      '  - { name: a, sub: { name: plant, topic: v }, pub: { name: plant, topic: w } }\n' +
      'funcs: [{ modelName: m }]\n',
  )
  const run = bench.command('run', '--config', file)
  assert.equal(await run.exited, 3)
  assert.match(run.stderr, /wrong\.yaml:2:\d+: .*qoss.*qos/)
  assert.match(run.stderr, /wrong\.yaml:4:\d+: .*plantt/)
  assert.match(run.stderr, /wrong\.yaml:5:\d+: .*"?a"?/)
})

test('validate finds a tab, and exits 3', async () => {
  const file = await bench.write('tab.yaml', 'mqtts:\n\t- name: x\n')
  const validate = bench.command('validate', file)
  assert.equal(await validate.exited, 3)
  assert.match(validate.stdout + validate.stderr, /tab\.yaml:2:1: .*tab/i)
})

test('a configuration that is not there is named, with what to do', async () => {
  const run = bench.command('run')
  assert.equal(await run.exited, 3)
  assert.match(run.stderr, /conf\/config\.yaml.*CONFIG_NOT_FOUND.*fix:.*--config/s)
})

test('a web port in use refuses the start with 4, before any message is taken', async () => {
  const blocker = createServer().listen(0, '127.0.0.1')
  await once(blocker, 'listening')
  const address = blocker.address()
  assert.ok(address !== null && typeof address === 'object')
  await bench.write('models/echo/index.ts', echoTypeScript)
  const file = await bench.write('port.yaml', embedded(`web: { port: ${address.port} }`))
  const run = bench.command('run', '--config', file, '--log-format', 'json')
  assert.equal(await run.exited, 4)
  assert.match(run.stderr, new RegExp(`127\\.0\\.0\\.1:${address.port}.*WEB_PORT_IN_USE`))
  assert.ok(!run.lines.some(({ event }) => event === 'host.started'), 'no host was started')
  blocker.close()
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} stops in order and exits 0`, async () => {
    await bench.write('models/echo/index.ts', echoTypeScript)
    const edgeboot = bench.run(await bench.write('signal.yaml', embedded('web: { port: 0 }')))
    await edgeboot.ready()
    edgeboot.signal(signal)
    assert.equal(await edgeboot.exited, 0)
    await edgeboot.line('boot.stopped')
  })
}

test("a user's own starter joins through edgeboot.config.ts", async () => {
  await bench.write('models/echo/index.ts', echoTypeScript)
  await bench.write(
    'app/edgeboot.config.ts',
    "import { defineApp, systemViewKey } from 'edgeboot'\n" +
      'export default defineApp({\n' +
      "  starters: [{ name: 'mine', start: (context) => {\n" +
      '    const names = context.get(systemViewKey).pipelines().map(({ name }) => name)\n' +
      "    context.log.info('mine.started', { names })\n" +
      '  } }],\n})\n',
  )
  const text = embedded('web: { port: 0 }').replace('folder: models', 'folder: ../models')
  const edgeboot = bench.run(await bench.write('app/config.yaml', text))
  const line = await edgeboot.line('mine.started')
  assert.deepEqual(line['names'], ['sub_process_plant_echo_0'])
  assert.equal(await edgeboot.stop(), 0)
})

test('the log never holds the password of a broker, nor does the process list', async () => {
  await bench.write('models/echo/index.ts', echoTypeScript)
  await bench.write('secret.txt', 'correct-horse\n')
  const text =
    'mqtts: [{ name: plant, broker: "tcp://127.0.0.1:9", username: u, passwordFile: secret.txt }]\n' +
    'rules: [{ name: echo, sub: { name: plant, topic: in }, pub: { name: plant, topic: out } }]\n' +
    'funcs: [{ modelName: echo }]\nmodels: { folder: models }\nweb: { port: 0 }\n'
  const edgeboot = bench.run(await bench.write('secret.yaml', text))
  const host = await edgeboot.line('host.started')
  await until('a failed connection', async () => {
    const { body } = await edgeboot.get('/readyz')
    return body.includes('next attempt')
  })
  const list = spawnSync('ps', ['-ef', 'e', '-p', String(host['pid'])]).stdout.toString()
  const everything = edgeboot.stdout + edgeboot.stderr + list + (await edgeboot.get('/')).body
  assert.doesNotMatch(everything, /correct-horse/)
})

test('an older Node says in one line that it is too old', { skip: olderNode() }, async () => {
  const file = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
  const { status, stderr } = spawnSync('/usr/bin/node', [file, '--version'])
  assert.equal(status, 1)
  assert.match(stderr.toString(), /^error: edgeboot needs Node 24\.12 or newer, .*\n$/)
})

/** The machine's own Node serves as the older one, where it is older. */
function olderNode(): false | string {
  const { stdout } = spawnSync('/usr/bin/node', ['--version'])
  const major = Number(/^v(\d+)/.exec(String(stdout))?.[1] ?? Infinity)
  return major < 24 ? false : 'SKIPPED: /usr/bin/node is no older Node'
}

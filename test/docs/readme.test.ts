import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createProgram } from '../../src/cli/program.ts'
import { inspectConfig } from '../../src/config/load.ts'
import { readManifest } from '../../src/config/manifest/read-manifest.ts'
import { MarkdownPage, root } from '../support/markdown.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { needsPython } from '../support/python-interpreters.ts'
import { Workbench } from '../support/workbench.ts'

const english = MarkdownPage.read('README.md')
const chinese = MarkdownPage.read('README_zh.md')
const contributing = MarkdownPage.read('CONTRIBUTING.md')

function block(language: string): string {
  const found = english.codeBlocks.find((each) => each.language === language)
  assert.ok(found, `a ${language} block`)
  return found.content
}

const yamlBlocks = (): typeof english.codeBlocks =>
  english.codeBlocks.filter((each) => each.language === 'yaml')

let bench: Workbench
before(async () => {
  bench = await Workbench.open()
})
after(() => bench.close())

test('the configurations of README.md are valid, without a warning, and as safe as it says', async () => {
  const blocks = yamlBlocks().filter(({ content }) => content.startsWith('mqtts:'))
  const safety: unknown[] = []
  for (const [index, { content }] of blocks.entries()) {
    const file = await bench.write(`plain-${index}/config.yaml`, content)
    const { settings, findings } = inspectConfig(file, { env: {}, cwd: bench.folder })
    assert.deepEqual(findings, [])
    const [pipeline, ...others] = settings?.pipelines ?? []
    assert.deepEqual(others, [])
    const { source, sink } = pipeline ?? {}
    safety.push([source?.qos, sink?.qos, sink?.spool !== undefined])
  }
  assert.deepEqual(safety, [
    [0, 0, false],
    [1, 1, true],
  ])
})

test('the manifest of README.md is a manifest', async () => {
  const blocks = yamlBlocks().filter(({ content }) => content.startsWith('name:'))
  assert.equal(blocks.length, 1)
  const file = await bench.write('manifest/model.yaml', blocks[0]?.content ?? '')
  const { version, inputs } = await readManifest(file)
  assert.deepEqual([version, inputs[0]?.missing], ['1.0.0', { kind: 'nan' }])
})

test('the example of README.md publishes what README.md shows', { skip: needsPython }, async () => {
  const broker = 'tcp://127.0.0.1:1883'
  assert.ok(block('yaml').includes(broker))
  const config = block('yaml').replace(broker, 'embedded://127.0.0.1:0')
  const file = await bench.write('config.yaml', `${config}web: { port: 0 }\n`)
  await bench.write('models/threshold/index.py', block('python'))
  const session = english.codeBlocks.find(({ content }) => content.includes('mosquitto_pub'))
  const [, topic = '', payload = ''] =
    /mosquitto_pub -t (\S+) -m '(.+)'/.exec(session?.content ?? '') ?? []
  const edgeboot = bench.run(file)
  await edgeboot.ready()
  const listening = await edgeboot.line('embedded-broker.listening')
  const peer = await MqttPeer.connect(String(listening['url']))
  await peer.subscribe('plant/#')
  await peer.publish(topic, '{"telemetry": {"temperature": 80}}') // `when` does not hold
  await peer.publish(topic, payload)
  const seen = await peer.received(3)
  await peer.end()
  assert.equal(await edgeboot.stop(), 0)
  const results = seen.filter((message) => message.topic !== topic)
  assert.deepEqual(
    results.map((message) => `${message.topic} ${message.text}`),
    [session?.content.trimEnd().split('\n').at(-1)],
  )
})

test('README.md and README_zh.md have the same headings, code, links and tables', () => {
  const shape = (page: MarkdownPage): unknown => ({
    headings: page.headings.map(({ level }) => level),
    codeBlocks: page.codeBlocks,
    links: page.links.slice(1),
    cells: page.prose.split('\n').flatMap((line) => (line.startsWith('|') ? [cells(line)] : [])),
    inlineCommands: page.prose.match(/`[^`\n]*edgeboot -- [^`\n]*`/g),
    listItems: page.prose.match(/^(-|\d\.) /gm),
  })
  assert.deepEqual(shape(chinese), shape(english))
  assert.deepEqual([english.links[0], chinese.links[0]], ['README_zh.md', 'README.md'])
})

function cells(line: string): number {
  return line.split('|').length
}

for (const [file, page] of Object.entries({ README: english, CONTRIBUTING: contributing })) {
  test(`every command that ${file}.md names exists`, () => {
    const io = { stdout() {}, stderr() {}, exit() {}, env: {}, cwd: root }
    const commands = createProgram(io, '0.0.0').commands.map((command) => command.name())
    for (const [, name = ''] of page.text.matchAll(/edgeboot -- (\w+)/g)) {
      assert.ok(commands.includes(name), `edgeboot ${name}`)
    }
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    for (const [, name = ''] of page.text.matchAll(/npm run --silent (\w+)/g)) {
      assert.ok(Object.hasOwn(scripts, name), `npm run ${name}`)
    }
    const makefile = readFileSync(join(root, 'Makefile'), 'utf8')
    const targets = [...page.text.matchAll(/(?:^|`)make (\w+)/gm)].map(([, name]) => name)
    assert.ok(targets.includes('demo') && targets.includes('test'))
    for (const name of targets) assert.match(makefile, new RegExp(`^${name}:`, 'm'))
  })
}

test('every path that CONTRIBUTING.md names exists', () => {
  const paths = [
    ...contributing.text.matchAll(/\b((?:src|test|scripts|docs)\/[\w./-]+\w)(?![\w…<*])/g),
  ]
  assert.ok(paths.length > 30)
  for (const [, path = ''] of paths) {
    assert.ok(existsSync(join(root, path)), path)
  }
})

test('README.md asks for the Node that package.json asks for', () => {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    engines: { node: string }
  }
  const version = engines.node.replace('>=', '')
  for (const page of [english, chinese]) assert.ok(page.text.includes(`Node ${version}`))
})

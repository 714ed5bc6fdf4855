/**
 * What would be published: packed, unpacked under a `node_modules` of its own, and used from there.
 * Threads and hosts then run as JavaScript, since Node strips no types under `node_modules`.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { root } from '../support/markdown.ts'
import { needsPython } from '../support/python-interpreters.ts'

/**
 * Packed and unpacked; a slip that packs the tests is far above. Of the examples the plug-in for
 * Extism is left out: it is the largest, and its engine is no part of an installation.
 */
const packedBytesMax = 750_000
const unpackedBytesMax = 2_500_000

const temporary = mkdtempSync(join(tmpdir(), 'edgeboot-package-'))
const installed = join(temporary, 'node_modules', 'edgeboot')
let tarball = ''
let files: readonly string[] = []

before(() => {
  assert.ok(
    existsSync(join(root, 'dist', 'main.js')),
    'dist is missing: `make build` makes it, and `make test` does so by itself',
  )
  // Without scripts: `prepack` would build dist anew under the feet of other tests.
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', temporary]
  execFileSync('npm', pack, { cwd: root, stdio: 'pipe' })
  const [name = ''] = globSync('*.tgz', { cwd: temporary })
  tarball = join(temporary, name)
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1'])
  files = globSync('**/*', { cwd: installed })
    .filter((path) => statSync(join(installed, path)).isFile())
    .toSorted()
  // What the package declares and nothing else; what those need is found beside their real place.
  for (const dependency of Object.keys(packageJson().dependencies)) {
    const link = join(temporary, 'node_modules', dependency)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, 'node_modules', dependency), link)
  }
})
after(() => rmSync(temporary, { recursive: true, force: true }))

interface PackageJson {
  readonly version: string
  readonly bin: { readonly edgeboot: string }
  readonly dependencies: Readonly<Record<string, string>>
  readonly exports: { readonly '.': { readonly types: string; readonly default: string } }
}

function packageJson(): PackageJson {
  return JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as PackageJson
}

function edgeboot(...args: readonly string[]): SpawnSyncReturns<string> {
  const main = join(installed, packageJson().bin.edgeboot)
  return spawnSync(process.execPath, [main, ...args], { cwd: temporary, encoding: 'utf8' })
}

test('holds what is needed', () => {
  const needed = [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'README_zh.md',
    'dist/host/host-main.js',
    'dist/index.d.ts',
    'dist/index.js',
    'dist/main.js',
    'dist/runtime/thread-main.js',
    'deploy/mosquitto/mosquitto.conf',
    'examples/chaos/config.yaml',
    'examples/demo/config.yaml',
    'examples/demo/models/threshold/index.ts',
    'examples/demo/models/trend_warning/index.py',
    'package.json',
    'python/edgeboot_worker.py',
  ]
  assert.deepEqual(
    needed.filter((path) => !files.includes(path)),
    [],
  )
})

test('holds nothing else', () => {
  const expected =
    /^(dist\/.+\.(js|d\.ts)|examples\/[\w./-]+|deploy\/mosquitto\/mosquitto\.conf|python\/edgeboot_\w+\.py|README\.md|README_zh\.md|CHANGELOG\.md|LICENSE|package\.json)$/
  assert.deepEqual(
    files.filter((path) => !expected.test(path)),
    [],
  )
})

test('dist is what src would give: no file too many, none too few', () => {
  const sources = globSync('**/*.ts', { cwd: join(root, 'src') })
  const built = files.filter((path) => /^dist\/.+\.js$/.test(path))
  assert.deepEqual(
    built,
    sources.map((path) => `dist/${path.replace(/\.ts$/, '.js')}`).toSorted(),
    'dist is stale: `make build` makes it anew',
  )
})

test('is small', () => {
  const unpacked = files.reduce((sum, path) => sum + statSync(join(installed, path)).size, 0)
  const packed = statSync(tarball).size
  assert.ok(packed < packedBytesMax, `${packed} bytes packed`)
  assert.ok(unpacked < unpackedBytesMax, `${unpacked} bytes unpacked`)
})

test('the entry points that package.json names are there', () => {
  const { bin, exports } = packageJson()
  for (const path of [bin.edgeboot, exports['.'].types, exports['.'].default]) {
    assert.ok(existsSync(join(installed, path)), path)
  }
  assert.match(readFileSync(join(installed, bin.edgeboot), 'utf8'), /^#!\/usr\/bin\/env node\n/)
  assert.notEqual(statSync(join(installed, bin.edgeboot)).mode & 0o111, 0, 'may be executed')
})

test('installed, it says its version', () => {
  const { status, stdout } = edgeboot('--version')
  assert.equal(status, 0)
  assert.equal(stdout, `${packageJson().version}\n`)
})

test('installed, it validates and migrates a file', () => {
  const file = join(root, 'test/fixtures/config/v1.yaml')
  assert.equal(edgeboot('validate', file).status, 0)
  const migrated = edgeboot('migrate', file)
  assert.equal(migrated.status, 0, migrated.stderr)
  assert.match(migrated.stdout, /modelAddress: /)
  assert.equal(edgeboot('validate', join(root, 'package.json')).status, 3)
})

test('installed, its public surface can be imported', () => {
  const code =
    "import { defineApp, defineModel } from 'edgeboot'\nconsole.log(typeof defineApp, typeof defineModel)"
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', code],
    { cwd: temporary, encoding: 'utf8' },
  )
  assert.equal(status, 0, stderr)
  assert.equal(stdout, 'function function\n')
})

test('installed, its types are whole', () => {
  const file = join(temporary, 'starter.mts')
  const code =
    "import { defineApp, defineModel, type Settings } from 'edgeboot'\n" +
    'export const named = (settings: Settings): string => settings.models.folder\n' +
    'export default defineApp({ starters: [] })\n' +
    'export const model = defineModel({ handler: (event, context) => context.params })\n'
  writeFileSync(file, code)
  const options = '--noEmit --strict --skipLibCheck false --module nodenext --target es2024'
  const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules', '@types')]
  const { status, stdout } = spawnSync(
    join(root, 'node_modules', '.bin', 'tsc'),
    ['--ignoreConfig', ...options.split(' '), ...types, file],
    { cwd: temporary, encoding: 'utf8' },
  )
  assert.equal(status, 0, stdout)
})

test('installed, it packs, looks into and tries a model that it ships', () => {
  const shipped = join(installed, 'examples', 'models', 'wasm')
  mkdirSync(join(temporary, 'models'))
  const packed = edgeboot('model', 'pack', shipped, '--output', 'models/leak.zip')
  assert.equal(packed.status, 0, packed.stderr)
  const inspected = edgeboot('model', 'inspect', 'models/leak.zip')
  assert.match(inspected.stdout, /^kind +wasm, started from leak\.wasm$/m, inspected.stderr)
  const tried = edgeboot('model', 'run', 'models/leak.zip', '--samples')
  assert.equal(tried.status, 0, tried.stdout + tried.stderr)
  assert.match(tried.stdout, /^(\d+) samples: \1 passed, 0 failed$/m)
})

test('installed without onnxruntime, it says how to install that', () => {
  const { status, stderr } = edgeboot('model', 'run', join(installed, 'examples/models/onnx'))
  assert.equal(status, 1)
  assert.match(
    stderr,
    /npm install .*onnxruntime-node@.*\(onnxruntime-node is not installed; .*RUNNER_ENGINE_MISSING/,
  )
})

test('installed, the demo runs both of its models', { skip: needsPython }, () => {
  const { status, stdout, stderr } = edgeboot('demo', '--seconds', '5', '--port', '0')
  assert.equal(status, 0, stdout + stderr)
  const table = stdout.slice(stdout.lastIndexOf('PIPELINE'))
  for (const model of ['trend_warning', 'threshold']) {
    const [, published = ''] =
      new RegExp(`^sub_process_plant_${model}_0 +\\w+ +[\\d,]+ +([\\d,]+)`, 'm').exec(table) ?? []
    assert.match(published, /^[1-9]/, `${model} published nothing:\n${stdout}`)
  }
})

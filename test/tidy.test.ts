/** House rules that the linter does not know. Each failure names the files. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { codeWords, MarkdownPage, root } from './support/markdown.ts'

const foreign = new Set(['node_modules', 'dist', 'coverage', '.git', '.edgeboot', '__pycache__'])

/** Files of the repository, relative to its root: what git knows or would add, else what is there. */
const everyFile = listFiles()

function listFiles(): readonly string[] {
  const git = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const { status, stdout } = spawnSync('git', git, { cwd: root, encoding: 'utf8' })
  const files =
    status === 0
      ? stdout.split('\0').filter((file) => file !== '')
      : ['**/*', '.ci/*', '.*'].flatMap((pattern) =>
          globSync(pattern, { cwd: root, exclude: (name) => foreign.has(name) }),
        )
  // Git also knows files that have just been deleted.
  return files
    .filter((file) => statSync(join(root, file), { throwIfNoEntry: false })?.isFile())
    .toSorted()
}

function filesOf(start: string, ending: string): readonly string[] {
  return everyFile.filter((file) => file.startsWith(start) && file.endsWith(ending))
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

const sources = filesOf('src/', '.ts')
/** This one holds the very words that it looks for. */
const thisFile = relative(root, import.meta.filename)
const everything = everyFile.filter((file) => file !== thisFile && file !== 'LICENSE')
const code = everything.filter((file) => /\.(ts|py)$/.test(file))

/** Lines of these files that match, as `file:line: text`. */
function linesThatMatch(files: readonly string[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, index) =>
        pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [],
      ),
  )
}

test('finds the files', () => {
  assert.ok(sources.length > 100)
  for (const file of ['README.md', 'package.json', '.ci/run', '.npmrc', 'docs/errors.md']) {
    assert.ok(everything.includes(file), file)
  }
})

test('no source file has more than 300 lines of code', () => {
  const long = sources.flatMap((file) => {
    const lines = read(file)
      .replaceAll(/\/\*[^]*?\*\//g, '')
      .split('\n')
      .filter((line) => line.trim() !== '' && !line.trim().startsWith('//'))
    return lines.length > 300 ? [`${file}: ${lines.length}`] : []
  })
  assert.deepEqual(long, [])
})

test('nothing is left over: no reminders, no tests run alone, no debugging', () => {
  assert.deepEqual(linesThatMatch(code, /\b(TODO|FIXME|XXX|HACK)\b/), [])
  const alone = /\b(test|it|describe|suite)\.only\(|\bonly: true\b/
  assert.deepEqual(linesThatMatch(filesOf('test/', '.ts').filter(notThis), alone), [])
  assert.deepEqual(linesThatMatch(sources, /^[^*]*\bconsole\.\w+\(|\bdebugger\b/), [])
})

function notThis(file: string): boolean {
  return file !== thisFile
}

/** Implement the contracts of the transport for tests, and stand beside them (DESIGN section 4). */
const forTests = ['src/transport/memory-sink.ts', 'src/transport/memory-source.ts']

test('every source file is used', () => {
  // What package.json names, and what is started by its path.
  const entries = [
    'main.ts',
    'index.ts',
    'host/host-main.ts',
    'runtime/thread-main.ts',
    'runtime/node-main.ts',
  ]
  const reached = new Set<string>()
  const queue = entries.map((entry) => `src/${entry}`)
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (reached.has(file)) continue
    reached.add(file)
    const imports = read(file).matchAll(/(?:\bfrom |\bimport\(|^import )'(\.[^']+)'/gm)
    for (const [, path = ''] of imports) {
      const target = relative(root, resolve(root, dirname(file), path))
      assert.ok(existsSync(join(root, target)), `${file} imports ${path}, which is not there`)
      queue.push(target)
    }
  }
  assert.deepEqual(
    sources.filter((file) => !reached.has(file) && !forTests.includes(file)),
    [],
  )
})

test('every file that is started by its path is there', () => {
  const started = sources.flatMap((file) =>
    [...read(file).matchAll(/entryPath\('(\.[^']+)'/g)].map(([, path = '']) =>
      relative(root, resolve(root, dirname(file), `${path}.ts`)),
    ),
  )
  assert.ok(started.length >= 3)
  for (const file of started) assert.ok(sources.includes(file), file)
})

test('what is generated is fresh', () => {
  const generators = filesOf('scripts/generate-', '.ts')
  assert.ok(generators.length > 0)
  for (const generator of generators) {
    const { status, stderr } = spawnSync(process.execPath, [generator, '--check'], { cwd: root })
    assert.equal(status, 0, stderr.toString())
  }
})

test('no file names a folder of the machine on which it was written', () => {
  assert.deepEqual(linesThatMatch(everything, /(^|[^\w.$}])\/(work|root|home\/\w+)\//), [])
})

test('no file names the registry from which it was installed', () => {
  const registries = /\bregistry\s*=|"resolved": "(?!https:\/\/registry\.npmjs\.org\/)/
  assert.deepEqual(linesThatMatch(['.npmrc', 'package.json', 'package-lock.json'], registries), [])
  const mirrors = /npmmirror|registry\.npm\.taobao|artifactory|verdaccio|codeartifact/i
  assert.deepEqual(linesThatMatch(everything, mirrors), [])
})

test('the folders of src are those of the layer table, and the linter knows each', () => {
  const folders = readdirSync(join(root, 'src')).filter((name) => !name.includes('.'))
  const listed = MarkdownPage.read('CONTRIBUTING.md')
    .rows('layer')
    .flatMap(([, cell = '']) => codeWords(cell))
  const inTable = listed.filter((name) => !name.endsWith('.ts'))
  assert.deepEqual(inTable.toSorted(), folders.toSorted())
  const rules = read('.oxlintrc.json')
  for (const folder of folders) assert.ok(rules.includes(`"src/${folder}/**"`), folder)
})

test('source files are named for one thing, in kebab-case', () => {
  const misnamed = sources.filter((file) => {
    const name = basename(file)
    const drawer = /(^|[-.])(utils?|helpers?|commons?|managers?|misc|base)([-.])/
    const barrel = name === 'index.ts' && file !== 'src/index.ts'
    return !/^[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(name) || drawer.test(name) || barrel
  })
  assert.deepEqual(misnamed, [])
})

test('dependencies are pinned to a complete version', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as {
    dependencies: Record<string, string>
    devDependencies: Record<string, string>
  }
  const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
    ([, version]) => !/^\d+\.\d+\.\d+$/.test(version),
  )
  assert.deepEqual(loose, [])
})

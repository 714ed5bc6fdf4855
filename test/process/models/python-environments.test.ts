import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { readManifest } from '../../../src/config/manifest/read-manifest.ts'
import { systemClock } from '../../../src/core/clock.ts'
import type { EdgebootError } from '../../../src/core/errors.ts'
import type { PythonEnvironmentSettings } from '../../../src/config/settings.ts'
import { readEnvironmentRecord } from '../../../src/models/environments/environment-record.ts'
import { PythonEnvironments } from '../../../src/models/environments/python-environments.ts'
import type { ModelManifest } from '../../../src/models/model-manifest.ts'
import type { ModelPackage } from '../../../src/models/model-package.ts'
import { ModelStore } from '../../../src/models/model-store.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { needsModule } from '../../support/requirements.ts'
import { noProof, roomyLimits } from '../../support/roomy-limits.ts'
import { Scratch } from '../../support/scratch.ts'
import { wheelBytes, wheelName, type WheelUnderTest } from '../../support/wheel-bytes.ts'
import { plainZip } from '../../support/zip-bytes.ts'

const debian = '/usr/bin/python3'
const needsVenv = needsModule(debian, 'venv, ensurepip', 'apt-get install python3-venv')
const settings: PythonEnvironmentSettings = { install: true, buildMs: 300_000 }
/** That there is one says that the package was made for edgeboot. */
const manifest: ModelManifest = {
  file: 'model.yaml',
  args: [],
  inputs: [],
  outputs: [],
  params: {},
  env: {},
}
/** Nothing answers there, at once. */
const noIndex = 'http://127.0.0.1:9/simple'

interface BenchOptions {
  readonly settings?: Partial<PythonEnvironmentSettings>
  readonly download?: 'missing' | 'never'
  readonly environment?: Record<string, string>
}

class Bench implements AsyncDisposable {
  readonly log = new RecordedLog()
  readonly scratch: Scratch
  readonly environments: PythonEnvironments

  private constructor(scratch: Scratch, options: BenchOptions) {
    this.scratch = scratch
    this.environments = this.again(options)
  }

  static async make(options: BenchOptions = {}): Promise<Bench> {
    return new Bench(await Scratch.make(), options)
  }

  again(options: BenchOptions = {}): PythonEnvironments {
    return new PythonEnvironments({
      settings: { ...settings, index: noIndex, ...options.settings },
      folder: this.scratch.path('models'),
      mayDownload: options.download !== 'never',
      environment: { PATH: process.env['PATH'] ?? '', ...options.environment },
      clock: systemClock,
      log: this.log.logger,
    })
  }

  get folder(): string {
    return this.scratch.path('models', '.edgeboot', 'environments')
  }

  /** A package on the disk. */
  async package(
    requirements: string,
    wheels: readonly WheelUnderTest[] = [],
    name = 'pump',
  ): Promise<ModelPackage> {
    const folder = this.scratch.path('models', name)
    await mkdir(folder, { recursive: true })
    await this.scratch.write(`models/${name}/requirements.txt`, requirements)
    await this.scratch.write(`models/${name}/index.py`, 'def handler(event): return event\n')
    for (const wheel of wheels) {
      await this.scratch.write(`models/${name}/wheels/${wheelName(wheel)}`, wheelBytes(wheel))
    }
    return {
      name,
      version: 'folder',
      runtime: 'python',
      format: 'module',
      folder,
      entryFile: join(folder, 'index.py'),
      modelsFolder: this.scratch.path('models'),
    }
  }

  events(): string[] {
    return this.log.lines.map(({ event }) => event)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scratch[Symbol.asyncDispose]()
  }
}

function says(python: string | undefined, code: string): string {
  return spawnSync(python ?? '', ['-c', code], { encoding: 'utf8' }).stdout.trim()
}

async function failureOf(work: Promise<unknown>): Promise<EdgebootError> {
  return await work.then(
    () => assert.fail('it did not fail'),
    (thrown: unknown) => thrown as EdgebootError,
  )
}

const python = debian
const wheel = { name: 'gauge', version: '1.2' }

describe('the environment of a package with requirements', { skip: needsVenv }, () => {
  test('is built from the wheels of the package without any network, and used again', async () => {
    await using bench = await Bench.make()
    const model = await bench.package('gauge==1.2\n', [wheel])
    const details: string[] = []
    const onState = (_: string, detail: string): void => void details.push(detail)
    const ready = await bench.environments.prepare(model, { python }, { onState })
    assert.ok(ready.python?.startsWith(bench.folder), ready.python)
    assert.equal(says(ready.python, 'import gauge; print(gauge.answer)'), 'gauge 1.2')
    assert.ok(
      details.some((detail) => /Successfully installed gauge/.test(detail)),
      details.join(),
    )

    const [hash = ''] = await readdir(bench.folder)
    const record = await readEnvironmentRecord(join(bench.folder, hash))
    assert.equal(record?.hash, hash)
    assert.equal(record.requirements, 'gauge==1.2\n')
    assert.deepEqual(record.usedBy, [{ model: 'pump', folder: model.folder }])

    const again = await bench.again().prepare({ ...model, sha256: 'a'.repeat(64) }, { python })
    assert.equal(again.python, ready.python)
    assert.equal(bench.events().filter((event) => event === 'model.environment-built').length, 1)
    const later = await readEnvironmentRecord(join(bench.folder, hash))
    assert.equal(later?.usedBy.length, 2)
  })

  test('sees what the interpreter itself has', async () => {
    await using bench = await Bench.make()
    const model = await bench.package('gauge\n', [wheel])
    const ready = await bench.environments.prepare(model, { python })
    const here = says(debian, 'import sys; print([p for p in sys.path if "dist-packages" in p])')
    assert.equal(
      says(ready.python, 'import sys; print([p for p in sys.path if "dist-packages" in p])'),
      here,
    )
  })

  test('is another one for other requirements, wheels or indexes', async () => {
    await using bench = await Bench.make()
    const first = await bench.environments.prepare(await bench.package('gauge\n', [wheel]), {
      python,
    })
    const code = 'answer = "mended"\n'
    const second = await bench.environments.prepare(
      await bench.package('gauge\n', [{ ...wheel, code }]),
      { python },
    )
    assert.notEqual(first.python, second.python)
    assert.equal(says(second.python, 'import gauge; print(gauge.answer)'), 'mended')
  })

  test('is built once for all who ask at the same time', async () => {
    await using bench = await Bench.make()
    const models = await Promise.all(
      ['one', 'two'].map((name) => bench.package('gauge\n', [wheel], name)),
    )
    const other = bench.again() // as another process would
    const ready = await Promise.all([
      ...models.map((model) => bench.environments.prepare(model, { python })),
      other.prepare(models[0] ?? assert.fail(), { python }),
    ])
    assert.equal(new Set(ready.map((model) => model.python)).size, 1)
    assert.equal(bench.events().filter((event) => event === 'model.environment-built').length, 1)
  })

  test('is not needed where the interpreter has all of it', async () => {
    await using bench = await Bench.make()
    const has = says(debian, 'import importlib.metadata as m; print(m.version("pip"))')
    const requirements = `# what it was trained with\npip>=1.0 ; python_version >= "3"\npip == ${has}\n`
    const model = await bench.package(requirements)
    const ready = await bench.environments.prepare(model, { python })
    assert.equal(ready.python, debian)
    assert.ok(bench.events().includes('model.requirements-satisfied'))
    assert.deepEqual(await readdir(bench.folder).catch(() => 'none'), 'none')
  })

  test('is not made for a package with its own, without requirements, or where nothing is installed', async () => {
    await using bench = await Bench.make()
    const model = await bench.package('gauge\n')
    const ignoring = bench.again({ settings: { install: false } })
    assert.equal((await ignoring.prepare(model, { python })).python, debian)
    assert.ok(bench.events().includes('model.requirements-ignored'))
    await bench.scratch.write('models/pump/.venv/bin/python', '')
    assert.equal((await bench.environments.prepare(model, { python })).python, undefined)
    await rm(join(model.folder, '.venv'), { recursive: true })
    await rm(join(model.folder, 'requirements.txt'))
    assert.equal((await bench.environments.prepare(model, { python })).python, undefined)
  })

  test('that was left half built is built anew', async () => {
    await using bench = await Bench.make()
    const model = await bench.package('gauge\n', [wheel])
    const ready = await bench.environments.prepare(model, { python })
    const [hash = ''] = await readdir(bench.folder)
    const folder = join(bench.folder, hash)
    await rm(join(folder, 'environment.json'))
    await rm(join(folder, 'bin', 'python'))
    await writeFile(join(folder, 'rubbish'), '')
    await writeFile(`${folder}.lock`, '999999999 123') // its builder is gone
    const again = await bench.again().prepare(model, { python })
    assert.equal(again.python, ready.python)
    assert.equal(says(again.python, 'import gauge; print(gauge.answer)'), 'gauge 1.2')
    assert.deepEqual(await readFile(join(folder, 'rubbish')).catch(() => 'gone'), 'gone')
    assert.deepEqual(await readdir(bench.folder), [hash])
  })

  test('is built whatever the package calls its own modules', async () => {
    await using bench = await Bench.make()
    const model = await bench.package('gauge\n', [wheel])
    for (const name of ['logging', 'venv', 'pip', 'json', 'calendar']) {
      await bench.scratch.write(`models/pump/${name}.py`, 'raise SystemExit("not that one")\n')
    }
    const ready = await bench.environments.prepare(model, { python })
    assert.equal(says(ready.python, 'import gauge; print(gauge.answer)'), 'gauge 1.2')
  })

  test('is built anew where its interpreter is gone', async () => {
    await using bench = await Bench.make()
    const model = await bench.package('gauge\n', [wheel])
    const ready = await bench.environments.prepare(model, { python })
    await rm(ready.python ?? assert.fail())
    const again = await bench.again().prepare(model, { python })
    assert.equal(says(again.python, 'import gauge; print(gauge.answer)'), 'gauge 1.2')
  })

  test('is not shared by packages whose requirements name files that differ', async () => {
    await using bench = await Bench.make()
    const prepared = async (name: string, code: string): Promise<string> => {
      const model = await bench.package(`vendor/${wheelName(wheel)}\n`, [], name)
      const file = `models/${name}/vendor/${wheelName(wheel)}`
      await bench.scratch.write(file, wheelBytes({ ...wheel, code }))
      const sha256 = createHash('sha256').update(code).digest('hex')
      const ready = await bench.environments.prepare({ ...model, sha256 }, { python })
      return says(ready.python, 'import gauge; print(gauge.answer)')
    }
    assert.equal(await prepared('one', 'answer = 1'), '1')
    assert.equal(await prepared('two', 'answer = 2'), '2')
  })

  test('is asked of pip where a requirement names extras, which no version tells of', async () => {
    await using bench = await Bench.make()
    const ready = await bench.environments.prepare(await bench.package('pip[extra]\n'), { python })
    assert.ok(ready.python?.startsWith(bench.folder), ready.python)
  })

  test("fails with pip's own reason where a requirement is in no wheel, and leaves nothing behind", async () => {
    await using bench = await Bench.make()
    const model = await bench.package('gauge\nvalve==3\n', [wheel])
    const error = await failureOf(bench.environments.prepare(model, { python }))
    assert.equal(error.code, 'MODEL_ENVIRONMENT_FAILED')
    assert.match(
      error.message,
      /pip ended with exit 1.*No matching distribution found for valve==3/,
    )
    assert.deepEqual(await readdir(bench.folder), [])
  })

  test('fails with the reason of pip where the index is not there', async () => {
    await using bench = await Bench.make({ environment: { PIP_RETRIES: '0' } })
    const model = { ...(await bench.package('gauge\n')), manifest }
    const error = await failureOf(bench.environments.prepare(model, { python }))
    assert.equal(error.code, 'MODEL_ENVIRONMENT_FAILED')
    assert.match(error.message, /No matching distribution found for gauge/)
  })

  test('is no condition for a package of pyboot, which runs with what is there', async () => {
    await using bench = await Bench.make({ environment: { PIP_RETRIES: '0' } })
    const model = await bench.package('gauge\n')
    const ready = await bench.environments.prepare(model, { python })
    assert.equal(ready.python, python)
    const [line] = bench.log.of('model.requirements-unmet')
    assert.match(String(line?.['reason']), /No matching distribution found for gauge/)
  })

  test('is refused without asking pip where wheels are for another platform', async () => {
    await using bench = await Bench.make()
    const tag = 'cp36-cp36m-linux_armv7l'
    const model = await bench.package('gauge\n', [{ ...wheel, tag }])
    const error = await failureOf(bench.environments.prepare(model, { python }))
    assert.equal(error.code, 'MODEL_ENVIRONMENT_FAILED')
    assert.match(error.message, /gauge-1\.2-cp36-cp36m-linux_armv7l\.whl in wheels\/ does not suit/)
    assert.match(error.message, /takes wheels for cp3\d+-cp3\d+-\w+linux/)
  })

  test('takes what suits out of wheels for several platforms', async () => {
    await using bench = await Bench.make()
    const tag = 'cp36-cp36m-linux_armv7l'
    const model = await bench.package('gauge\n', [{ ...wheel, tag }, wheel])
    const ready = await bench.environments.prepare(model, { python })
    assert.equal(says(ready.python, 'import gauge; print(gauge.answer)'), 'gauge 1.2')
  })

  test('asks no index where downloads are forbidden', async () => {
    await using bench = await Bench.make({ download: 'never' })
    const model = { ...(await bench.package('gauge\n')), manifest }
    const error = await failureOf(bench.environments.prepare(model, { python }))
    assert.equal(error.code, 'MODEL_ENVIRONMENT_FAILED')
    assert.match(error.message, /lacks gauge \(not installed\); .*models\.download: never/)
  })

  test('is given up when its time is over', async () => {
    await using bench = await Bench.make({ settings: { buildMs: 1 } })
    const model = await bench.package('gauge\n', [wheel])
    const error = await failureOf(bench.environments.prepare(model, { python }))
    assert.equal(error.code, 'MODEL_ENVIRONMENT_FAILED')
    assert.match(error.message, /was not done after 0\.001 s \(models\.python\.buildTimeout\)/)
    assert.deepEqual(await readdir(bench.folder), [])
  })

  test('names the package of Debian where the interpreter can make none', async () => {
    await using bench = await Bench.make()
    const stub = await bench.scratch.write(
      'bin/python3',
      `#!/bin/sh\n${debian} "$@" | sed 's/"hasVenv": true/"hasVenv": false/'\n`,
    )
    spawnSync('chmod', ['+x', stub])
    const model = await bench.package('gauge\n', [wheel])
    const error = await failureOf(bench.environments.prepare(model, { python: stub }))
    assert.equal(error.code, 'MODEL_ENVIRONMENT_FAILED')
    assert.match(error.fix, /apt-get install python3-venv \(python3\.\d+-venv\)/)
  })

  test('is built by the store, which keeps the version that serves when it cannot be', async () => {
    await using bench = await Bench.make()
    const store = new ModelStore({
      settings: {
        folder: bench.scratch.path('models'),
        download: 'always',
        ...noProof,
        limits: roomyLimits,
      },
      environments: bench.environments,
      clock: systemClock,
      log: bench.log.logger,
      readManifest,
    })
    const zip = (requirements: string): Promise<Buffer> =>
      plainZip({
        'index.py': 'def handler(event): return event\n',
        'requirements.txt': requirements,
        [`wheels/${wheelName(wheel)}`]: wheelBytes(wheel),
      })
    const address = await bench.scratch.write('pump.zip', await zip('gauge\n'))
    const first = await store.resolve({ name: 'pump', address, python })
    assert.ok(first.python?.startsWith(bench.folder))
    await store.versions.confirm(first)
    await writeFile(address, await zip('valve==3\n'))
    const kept = await store.resolve({ name: 'pump', address, python })
    assert.deepEqual([kept.sha256, kept.python], [first.sha256, first.python])
    const line = bench.log.lines.find(({ event }) => event === 'model.kept-previous')
    assert.equal(line?.fields['code'], 'MODEL_ENVIRONMENT_FAILED')
    assert.match(String(line.fields['reason']), /valve==3/)
  })
})

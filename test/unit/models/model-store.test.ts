import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { ModelSource, ModelsSettings } from '../../../src/config/settings.ts'
import { readManifest } from '../../../src/config/manifest/read-manifest.ts'
import { systemClock } from '../../../src/core/clock.ts'
import type { ModelPackage } from '../../../src/models/model-package.ts'
import { ModelStore } from '../../../src/models/model-store.ts'
import type { ResolveOptions } from '../../../src/models/resolve-options.ts'
import { ModelServer } from '../../support/model-server.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { noProof, roomyLimits } from '../../support/roomy-limits.ts'
import { Scratch } from '../../support/scratch.ts'
import { plainZip, pythonModel, rawZip } from '../../support/zip-bytes.ts'

const sha256Of = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const md5Of = (bytes: Buffer): string => createHash('md5').update(bytes).digest('base64')

/** A store in a folder of its own; `again` is the same after a restart. */
class Bench implements AsyncDisposable {
  readonly scratch: Scratch
  readonly server: ModelServer
  readonly log = new RecordedLog()
  readonly #settings: ModelsSettings
  #store: ModelStore

  private constructor(scratch: Scratch, server: ModelServer, settings: Partial<ModelsSettings>) {
    this.scratch = scratch
    this.server = server
    this.#settings = {
      folder: scratch.path('models'),
      download: 'missing',
      ...noProof,
      limits: roomyLimits,
      ...settings,
    }
    this.#store = this.#open({})
  }

  static async make(settings: Partial<ModelsSettings> = {}): Promise<Bench> {
    return new Bench(await Scratch.make(), await ModelServer.start(), settings)
  }

  resolve(source: Partial<ModelSource> = {}, options?: ResolveOptions): Promise<ModelPackage> {
    return this.#store.resolve({ name: 'thr', ...source }, options)
  }

  restart(settings: Partial<ModelsSettings> = {}): void {
    this.#store = this.#open(settings)
  }

  #open(settings: Partial<ModelsSettings>): ModelStore {
    const { logger: log } = this.log
    const merged = { ...this.#settings, ...settings }
    return new ModelStore({ settings: merged, clock: systemClock, log, readManifest })
  }

  /** Serves this zip and returns its address. */
  serve(zip: Buffer): string {
    this.server.routes.set('/thr.zip', zip)
    return this.server.url('/thr.zip')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]()
    await this.scratch[Symbol.asyncDispose]()
  }
}

/** Asserts that nothing but whole packages and records is in the store. */
async function assertTidy(bench: Bench, packages: readonly Buffer[]): Promise<void> {
  const tree = await bench.scratch.tree('models/.edgeboot')
  const folders = tree.filter((path) => /^packages\/[^/]+\/$/.test(path))
  assert.deepEqual(folders, packages.map((zip) => `packages/${sha256Of(zip)}/`).sort())
  assert.deepEqual(
    tree.filter((path) => path.startsWith('tmp/') && path !== 'tmp/'),
    [],
  )
}

test('acquires nothing before it is asked', async () => {
  await using bench = await Bench.make()
  assert.deepEqual(await bench.scratch.tree(), [])
})

test('uses a folder that was put there by hand, before any address', async () => {
  await using bench = await Bench.make()
  const entryFile = await bench.scratch.write('models/thr/index.py')
  const address = bench.serve(await pythonModel('1'))
  const { contents, ...found } = await bench.resolve({ address })
  assert.match(contents ?? '', /^[0-9a-f]{16}$/)
  assert.deepEqual(found, {
    name: 'thr',
    version: 'folder',
    runtime: 'python',
    format: 'module',
    folder: bench.scratch.path('models/thr'),
    entryFile,
    modelsFolder: bench.scratch.path('models'),
  })
  assert.deepEqual(bench.server.requests, [])
  assert.deepEqual(await bench.scratch.tree('models'), ['thr/', 'thr/index.py'])
})

test('says once that the digest of a folder cannot be checked', async () => {
  await using bench = await Bench.make()
  await bench.scratch.write('models/thr/index.py')
  const sha256 = 'ab'.repeat(32)
  await bench.resolve({ sha256 })
  await bench.resolve({ sha256 })
  assert.equal(bench.log.of('model.folder-digest-unchecked').length, 1)
})

test('fetches, verifies, unpacks and records a package', async () => {
  await using bench = await Bench.make()
  const zip = await plainZip({ 'threshold/index.ts': 'export {}', 'threshold/lib/a.ts': '' })
  const sha256 = sha256Of(zip)
  const states: string[] = []
  const model = await bench.resolve(
    { address: bench.serve(zip), sha256: sha256.toUpperCase() },
    { onState: (state, detail) => states.push(`${state} ${detail}`) },
  )
  const folder = bench.scratch.path('models/.edgeboot/packages', sha256, 'files/threshold')
  assert.deepEqual(model, {
    name: 'thr',
    version: sha256.slice(0, 12),
    runtime: 'javascript',
    format: 'module',
    folder,
    entryFile: `${folder}/index.ts`,
    sha256,
    modelsFolder: bench.scratch.path('models'),
  })
  const address = bench.server.url('/thr.zip')
  assert.deepEqual(states, [`FETCHING ${address}`, `VERIFYING ${address}`])
  await assertTidy(bench, [zip])
  const record = await readRecord(bench, `packages/${sha256}/package.json`)
  assert.equal(record['bytes'], zip.length)
  assert.equal(record['address'], address)
  const { origins, active } = await readRecord(bench, 'active/thr.json')
  assert.deepEqual((origins as { sha256: string }[])[0]?.sha256, sha256)
  assert.equal(active, undefined, 'nobody has said yet that it serves')
})

async function readRecord(bench: Bench, path: string): Promise<Record<string, unknown>> {
  const text = await readFile(bench.scratch.path('models/.edgeboot', path), 'utf8')
  return JSON.parse(text) as Record<string, unknown>
}

test("accepts pyboot's MD5 and advises once against it", async () => {
  await using bench = await Bench.make()
  const zip = await pythonModel('1')
  const source = { address: bench.serve(zip), md5: md5Of(zip) }
  await bench.resolve(source)
  await bench.resolve(source)
  assert.equal(bench.log.of('model.md5-only').length, 1)
})

test('needs no network for a package that is there and has the digest', async () => {
  const zip = await pythonModel('1')
  for (const digest of [{ md5: md5Of(zip) }, { sha256: sha256Of(zip) }]) {
    for (const download of ['always', 'missing', 'never'] as const) {
      await using bench = await Bench.make()
      const address = bench.serve(zip)
      await bench.resolve({ address, ...digest })
      bench.restart({ download })
      const again = await bench.resolve({ address, ...digest })
      assert.equal(again.sha256, sha256Of(zip))
      assert.equal(bench.server.requests.length, 1)
    }
  }
})

test('needs no network for what came from the same address, without a digest', async () => {
  await using bench = await Bench.make()
  const address = bench.serve(await pythonModel('1'))
  const first = await bench.resolve({ address })
  bench.restart()
  assert.deepEqual(await bench.resolve({ address }), first)
  bench.restart({ download: 'never' })
  assert.deepEqual(await bench.resolve({ address }), first)
  assert.equal(bench.server.requests.length, 1)
})

test('fetches anew when the address has changed, be it in its query', async () => {
  await using bench = await Bench.make()
  const second = await pythonModel('2')
  bench.server.routes.set('/get?id=1', await pythonModel('1'))
  bench.server.routes.set('/get?id=2', second)
  await bench.resolve({ address: bench.server.url('/get?id=1') })
  const model = await bench.resolve({ address: bench.server.url('/get?id=2') })
  assert.equal(model.sha256, sha256Of(second))
})

test('looks at the address on every start when told to', async () => {
  await using bench = await Bench.make({ download: 'always' })
  await bench.scratch.write('models/thr/index.py', 'the folder is not asked')
  const first = await pythonModel('1')
  const second = await pythonModel('2')
  const address = bench.serve(first)
  await bench.resolve({ address })
  bench.serve(second)
  bench.restart()
  assert.equal((await bench.resolve({ address })).sha256, sha256Of(second))
  await assertTidy(bench, [first, second])
})

test('fetches once for several pipelines that use one model', async () => {
  await using bench = await Bench.make()
  const address = bench.serve(await pythonModel('1'))
  const models = await Promise.all([
    bench.resolve({ address }),
    bench.resolve({ address }),
    bench.resolve({ name: 'other', address }),
  ])
  assert.equal(new Set(models.map((model) => model.folder)).size, 1)
  assert.equal(bench.server.requests.length, 1)
})

test('leaves the others alone when one who waits for the fetch leaves', async () => {
  await using bench = await Bench.make()
  const zip = await pythonModel('1')
  const gate = Promise.withResolvers<void>()
  bench.server.routes.set('/thr.zip', (_request, response) => {
    void gate.promise.then(() => response.end(zip))
  })
  const address = bench.server.url('/thr.zip')
  const controller = new AbortController()
  const leaver = bench.resolve({ address }, { signal: controller.signal })
  const stayer = bench.resolve({ address })
  await bench.server.requested()
  controller.abort(new Error('stopping'))
  await assert.rejects(leaver, /stopping/)
  gate.resolve()
  assert.equal((await stayer).sha256, sha256Of(zip))
})

test('fetches nothing when downloads are forbidden, and says where to put the model', async () => {
  await using bench = await Bench.make({ download: 'never' })
  const address = bench.serve(await pythonModel('1'))
  await assert.rejects(bench.resolve({ address }), {
    code: 'MODEL_DOWNLOAD_FORBIDDEN',
    fix: /models\/thr or .*models\/thr\.zip/,
  })
  assert.deepEqual(bench.server.requests, [])
})

test('takes a zip from a path also when downloads are forbidden', async () => {
  await using bench = await Bench.make({ download: 'never' })
  const zip = await pythonModel('1')
  const address = await bench.scratch.write('elsewhere/x.zip', zip)
  assert.equal((await bench.resolve({ address })).sha256, sha256Of(zip))
})

test('notices that the zip at a path was replaced', async () => {
  await using bench = await Bench.make()
  const address = await bench.scratch.write('x.zip', await pythonModel('1'))
  await bench.resolve({ address })
  const second = await pythonModel('2')
  await writeFile(address, second)
  assert.equal((await bench.resolve({ address })).sha256, sha256Of(second))
})

test('uses a folder at a path in place', async () => {
  await using bench = await Bench.make()
  await bench.scratch.write('elsewhere/index.mjs')
  const address = bench.scratch.path('elsewhere')
  const model = await bench.resolve({ address })
  assert.equal(model.version, 'folder')
  assert.equal(model.folder, address)
})

test('takes a zip that was put there by hand before an address', async () => {
  await using bench = await Bench.make()
  const address = bench.serve(await pythonModel('1'))
  await bench.resolve({ address })
  const second = await pythonModel('2')
  await bench.scratch.write('models/thr.zip', second)
  assert.equal((await bench.resolve({ address })).sha256, sha256Of(second))
  bench.restart({ download: 'never' })
  assert.equal((await bench.resolve({ address })).sha256, sha256Of(second))
  assert.equal((await bench.resolve({})).sha256, sha256Of(second))
  assert.equal(bench.server.requests.length, 1)
})

test('goes on to the address when the zip put there by hand is not the one that is meant', async () => {
  await using bench = await Bench.make()
  const meant = await pythonModel('2')
  await bench.scratch.write('models/thr.zip', await pythonModel('1'))
  const model = await bench.resolve({ address: bench.serve(meant), sha256: sha256Of(meant) })
  assert.equal(model.sha256, sha256Of(meant))
  assert.equal(bench.log.of('model.next-address')[0]?.['code'], 'MODEL_DIGEST_MISMATCH')
})

test('says where a model is missed that has no address', async () => {
  await using bench = await Bench.make()
  await assert.rejects(bench.resolve(), { code: 'MODEL_NOT_FOUND', message: /models\/thr\.zip/ })
  const address = bench.scratch.path('gone.zip')
  await assert.rejects(bench.resolve({ address }), {
    code: 'MODEL_NOT_FOUND',
    message: /gone\.zip/,
  })
})

test('refuses an address that is neither http nor a path', async () => {
  await using bench = await Bench.make()
  for (const address of ['ftp://me:secret@host/a.zip', 'relative.zip']) {
    await assert.rejects(bench.resolve({ address }), (error: Error & { code: string }) => {
      assert.equal(error.code, 'CONFIG_INVALID')
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
  }
})

test('refuses a wrong digest before it unpacks anything, from a server and from a path', async () => {
  await using bench = await Bench.make()
  const zip = await pythonModel('1')
  const file = await bench.scratch.write('x.zip', zip)
  for (const address of [bench.serve(zip), file]) {
    await assert.rejects(bench.resolve({ address, sha256: 'ab'.repeat(32) }), {
      code: 'MODEL_DIGEST_MISMATCH',
      message: new RegExp(`sha256 ${sha256Of(zip)}.*expected ${'ab'.repeat(32)}`),
    })
  }
  await assertTidy(bench, [])
})

test('checks the digest of a zip at a path also when the store has it', async () => {
  await using bench = await Bench.make()
  const address = await bench.scratch.write('x.zip', await pythonModel('1'))
  await bench.resolve({ address })
  const other = bench.resolve({ name: 'other', address, sha256: 'ab'.repeat(32) })
  await assert.rejects(other, { code: 'MODEL_DIGEST_MISMATCH' })
})

test('refuses a path that is neither a file nor a folder', async () => {
  await using bench = await Bench.make()
  const wanted = bench.resolve({ address: '/dev/null' })
  await assert.rejects(wanted, { code: 'MODEL_PACKAGE_INVALID', message: /neither a file nor/ })
})

test('refuses unsafe names and malformed digests even when it could go on', async () => {
  await using bench = await Bench.make()
  await bench.scratch.write('models/thr/index.py')
  await assert.rejects(bench.resolve({ name: '../thr' }), { code: 'CONFIG_INVALID' })
  await assert.rejects(bench.resolve({ md5: 'nonsense' }), { code: 'CONFIG_INVALID' })
})

/** Every way in which a new package can be bad, with the code that says so. */
const failures: Readonly<Record<string, (bench: Bench) => Promise<void> | void>> = {
  MODEL_DOWNLOAD_REFUSED: (bench) => bench.server.routes.clear(),
  MODEL_DOWNLOAD_FAILED: (bench) => bench.server[Symbol.asyncDispose](),
  MODEL_PACKAGE_INVALID: (bench) => {
    bench.serve(rawZip([{ name: 'index.py' }, { name: '../../../../evil.py', content: 'x' }]))
  },
  MODEL_NO_ENTRY: async (bench) => void bench.serve(await plainZip({ 'main.py': '' })),
  MODEL_PACKAGE_TOO_LARGE: (bench) => {
    bench.serve(rawZip([{ name: 'zeros', content: Buffer.alloc(4_000_000), deflate: true }]))
  },
}

for (const [code, spoil] of Object.entries(failures)) {
  test(`keeps the previous package on ${code}, and says why`, async () => {
    await using bench = await Bench.make({ download: 'always' })
    const address = bench.serve(await pythonModel('1'))
    const first = await bench.resolve({ address })
    await spoil(bench)
    bench.restart()
    assert.deepEqual(await bench.resolve({ address }), first)
    const [line] = bench.log.of('model.kept-previous')
    assert.equal(line?.['code'], code)
    assert.equal(line?.['version'], first.version)
    const outside = (await bench.scratch.tree()).filter((path) => /evil/.test(path))
    assert.deepEqual(outside, [])
  })
}

test('keeps the previous package when the new digest cannot be had', async () => {
  await using bench = await Bench.make()
  const zip = await pythonModel('1')
  const address = bench.serve(zip)
  await bench.resolve({ address, sha256: sha256Of(zip) })
  const kept = await bench.resolve({ address, sha256: 'ab'.repeat(32) })
  assert.equal(kept.sha256, sha256Of(zip))
  assert.equal(bench.log.of('model.kept-previous')[0]?.['code'], 'MODEL_DIGEST_MISMATCH')
})

test('falls back to the folder put there by hand when told to look at the address first', async () => {
  await using bench = await Bench.make({ download: 'always' })
  await bench.scratch.write('models/thr/index.py')
  const model = await bench.resolve({ address: bench.server.url('/missing.zip') })
  assert.equal(model.version, 'folder')
  assert.equal(bench.log.of('model.kept-previous').length, 1)
})

test('does not keep anything for somebody who leaves', async () => {
  await using bench = await Bench.make({ download: 'always' })
  const address = bench.serve(await pythonModel('1'))
  await bench.resolve({ address })
  const controller = new AbortController()
  bench.server.routes.set('/thr.zip', () => controller.abort(new Error('stopping')))
  await assert.rejects(bench.resolve({ address }, { signal: controller.signal }), /stopping/)
  assert.deepEqual(bench.log.of('model.kept-previous'), [])
})

test('does not take a package folder without its record for a package', async () => {
  await using bench = await Bench.make()
  const zip = await pythonModel('1')
  const half = `models/.edgeboot/packages/${sha256Of(zip)}/files/index.py`
  await bench.scratch.write(half, 'half of it')
  const source = { address: bench.serve(zip), sha256: sha256Of(zip) }
  const model = await bench.resolve(source)
  assert.equal(bench.server.requests.length, 1)
  assert.match(await readFile(model.entryFile, 'utf8'), /def handler/)
})

test('does not trust records that are damaged or lie', async () => {
  await using bench = await Bench.make()
  const zip = await pythonModel('1')
  const source = { address: bench.serve(zip), sha256: sha256Of(zip) }
  await bench.resolve(source)
  const file = bench.scratch.path('models/.edgeboot/packages', source.sha256, 'package.json')
  const record = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
  const damaged = ['', '{"format":1', 'null', '{}', JSON.stringify({ ...record, root: '../..' })]
  for (const [index, text] of damaged.entries()) {
    await writeFile(file, text)
    assert.equal((await bench.resolve(source)).sha256, source.sha256)
    assert.equal(bench.server.requests.length, index + 2, `trusted ${text}`)
  }
  assert.ok(bench.log.of('model.record-unreadable').length >= damaged.length)
})

test('survives a damaged record of what is active', async () => {
  await using bench = await Bench.make()
  const address = bench.serve(await pythonModel('1'))
  const first = await bench.resolve({ address })
  const file = bench.scratch.path('models/.edgeboot/active/thr.json')
  await writeFile(file, '{"format":1,"sha256":"../../../etc"}')
  assert.deepEqual(await bench.resolve({ address }), first)
  const { origins } = await readRecord(bench, 'active/thr.json')
  assert.equal((origins as { sha256: string }[])[0]?.sha256, first.sha256)
})

test('fetches again when somebody has deleted the package', async () => {
  await using bench = await Bench.make()
  const address = bench.serve(await pythonModel('1'))
  const first = await bench.resolve({ address })
  await rm(bench.scratch.path('models/.edgeboot/packages'), { recursive: true })
  assert.deepEqual(await bench.resolve({ address }), first)
  assert.equal(bench.server.requests.length, 2)
})

test('says that the store cannot be written', async () => {
  await using bench = await Bench.make()
  const address = bench.serve(await pythonModel('1'))
  // A file where the folder should be: permissions would not stop a root user.
  await bench.scratch.write('models/.edgeboot', '')
  await assert.rejects(bench.resolve({ address }), {
    code: 'MODEL_STORE_FAILED',
    message: /'thr': a part of the path is a file \(ENOTDIR\)/,
  })
})

test('uses a proven package although its activation cannot be recorded', async () => {
  await using bench = await Bench.make()
  const zip = await pythonModel('1')
  await bench.scratch.write('models/.edgeboot/active', 'in the way')
  const model = await bench.resolve({ address: bench.serve(zip) })
  assert.equal(model.sha256, sha256Of(zip))
  assert.equal(bench.log.of('model.activation-unrecorded').length, 1)
})

test('writes nothing when all is as it was', async () => {
  await using bench = await Bench.make()
  const zip = await pythonModel('1')
  const source = { address: bench.serve(zip), sha256: sha256Of(zip) }
  const first = await bench.resolve(source)
  // Whoever wants to write needs this folder.
  await rm(bench.scratch.path('models/.edgeboot/tmp'), { recursive: true })
  await bench.scratch.write('models/.edgeboot/tmp', 'in the way')
  bench.restart()
  assert.deepEqual(await bench.resolve(source), first)
  assert.deepEqual(bench.log.of('model.activation-unrecorded'), [])
})

test('never lets a password or a token into the log, an error or a record', async () => {
  await using bench = await Bench.make({ download: 'always' })
  bench.server.routes.set('/thr.zip?token=hush', await pythonModel('1'))
  const address = bench.server.url('/thr.zip?token=hush', 'me:secret@')
  const details: string[] = []
  const onState = (_state: string, detail: string): void => void details.push(detail)
  await bench.resolve({ address }, { onState })
  bench.server.routes.clear()
  await bench.resolve({ address }, { onState })
  const files = ['active/thr.json', `packages/${sha256Of(await pythonModel('1'))}/package.json`]
  const records = await Promise.all(files.map((file) => readRecord(bench, file)))
  const seen = JSON.stringify([bench.log.text, details, records])
  assert.match(seen, /thr\.zip/)
  assert.doesNotMatch(seen, /secret|hush/)
})

test("finds v0's module below the models folder, and in a package", async () => {
  await using bench = await Bench.make()
  const module = { name: 'industry.telemetry', function: 'telm_temperature' }
  await assert.rejects(bench.resolve({ module }), {
    code: 'MODEL_NOT_FOUND',
    message: /models\/industry\/telemetry\.py/,
  })
  const zip = await plainZip({ 'industry/telemetry.py': '' })
  const packed = await bench.resolve({ module, address: bench.serve(zip) })
  assert.match(packed.folder, /\/files$/)
  assert.equal(packed.functionName, 'telm_temperature')
  const entryFile = await bench.scratch.write('models/industry/telemetry.py')
  const placed = await bench.resolve({ module })
  assert.equal(placed.entryFile, entryFile)
  assert.equal(placed.folder, bench.scratch.path('models'))
  assert.equal(placed.version, 'folder')
})

test('serves a model with a Chinese name', async () => {
  await using bench = await Bench.make()
  const zip = await plainZip({ '三厂模型/index.py': '', '三厂模型/数据.csv': '' })
  const model = await bench.resolve({ name: '三厂 模型', address: bench.serve(zip) })
  assert.match(model.folder, /\/files\/三厂模型$/)
  const { origins } = await readRecord(bench, 'active/三厂 模型.json')
  assert.equal((origins as { sha256: string }[])[0]?.sha256, sha256Of(zip))
})

test('reports an empty folder put there by hand as what it is', async () => {
  await using bench = await Bench.make()
  await mkdir(bench.scratch.path('models/thr'), { recursive: true })
  await assert.rejects(bench.resolve(), { code: 'MODEL_NO_ENTRY', message: /folder is empty/ })
})

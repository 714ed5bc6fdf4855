import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { readManifest } from '../../../src/config/manifest/read-manifest.ts'
import type { ModelSource, ModelsSettings } from '../../../src/config/settings.ts'
import { systemClock } from '../../../src/core/clock.ts'
import type { ModelPackage } from '../../../src/models/model-package.ts'
import { ModelStore } from '../../../src/models/model-store.ts'
import { makeKeys, readSigningKey, signatureText } from '../../../src/models/signing-key.ts'
import { ModelServer } from '../../support/model-server.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { roomyLimits } from '../../support/roomy-limits.ts'
import { Scratch } from '../../support/scratch.ts'
import { pythonModel } from '../../support/zip-bytes.ts'

const author = makeKeys()
const stranger = makeKeys()
const sha256Of = (zip: Buffer): string => createHash('sha256').update(zip).digest('hex')

async function signed(zip: Buffer, by = author): Promise<Buffer> {
  const key = await readSigningKey(by.secretText, 'a key')
  const hash = createHash('blake2b512').update(zip).digest()
  return Buffer.from(signatureText(key, hash, 'threshold'))
}

/** A store that wants signatures of the author, and a server with one model. */
class Bench implements AsyncDisposable {
  readonly log = new RecordedLog()
  readonly scratch: Scratch
  readonly server: ModelServer
  #settings: ModelsSettings
  #store: ModelStore

  private constructor(scratch: Scratch, server: ModelServer) {
    this.scratch = scratch
    this.server = server
    this.#settings = {
      folder: scratch.path('models'),
      download: 'missing',
      require: 'signature',
      keys: [author.publicLine],
      limits: roomyLimits,
    }
    this.#store = this.#open()
  }

  static async make(): Promise<Bench> {
    return new Bench(await Scratch.make(), await ModelServer.start())
  }

  restart(settings: Partial<ModelsSettings>): void {
    this.#settings = { ...this.#settings, ...settings }
    this.#store = this.#open()
  }

  serve(zip: Buffer, signature?: Buffer): void {
    this.server.routes.clear()
    this.server.routes.set('/thr.zip', zip)
    if (signature !== undefined) this.server.routes.set('/thr.zip.minisig', signature)
  }

  async run(source: Partial<ModelSource> = {}): Promise<ModelPackage> {
    const address = this.server.url('/thr.zip')
    const model = await this.#store.resolve({ name: 'thr', address, ...source })
    await this.#store.versions.confirm(model)
    return model
  }

  /** No package of the store, and nothing half. */
  async assertNothingUnpacked(): Promise<void> {
    const tree = await this.scratch.tree('models/.edgeboot')
    assert.deepEqual(
      tree.filter((path) => path.includes('files/')),
      [],
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]()
    await this.scratch[Symbol.asyncDispose]()
  }

  #open(): ModelStore {
    return new ModelStore({
      settings: this.#settings,
      clock: systemClock,
      log: this.log.logger,
      readManifest,
    })
  }
}

test('takes a package with a signature of a trusted key, and says whose', async () => {
  await using bench = await Bench.make()
  const zip = await pythonModel('1')
  bench.serve(zip, await signed(zip))
  assert.equal((await bench.run()).sha256, sha256Of(zip))
  const [line] = bench.log.of('model.signature-verified')
  assert.equal(line?.['keyId'], author.id)
  assert.equal(line?.['trustedComment'], 'threshold')
  bench.server.requests.length = 0
  await bench.run()
  assert.deepEqual(bench.server.requests, [], 'what is proven needs no network')
})

test('refuses a package without a signature before it is unpacked', async () => {
  await using bench = await Bench.make()
  bench.serve(await pythonModel('1'))
  await assert.rejects(bench.run(), {
    code: 'MODEL_SIGNATURE_MISSING',
    message: /model 'thr' has none at http.*\/thr\.zip\.minisig: .*404/,
  })
  await bench.assertNothingUnpacked()
})

test('refuses a signature of an unknown key, naming it and those that are trusted', async () => {
  await using bench = await Bench.make()
  const zip = await pythonModel('1')
  bench.serve(zip, await signed(zip, stranger))
  await assert.rejects(bench.run(), {
    code: 'MODEL_SIGNATURE_UNKNOWN_KEY',
    message: new RegExp(`signed by key ${stranger.id}, .* trusted: ${author.id}`),
  })
  await bench.assertNothingUnpacked()
})

test('refuses the signature of another package, and what is no signature', async () => {
  await using bench = await Bench.make()
  const zip = await pythonModel('1')
  for (const signature of [await signed(await pythonModel('2')), Buffer.from('<html>')]) {
    bench.serve(zip, signature)
    await assert.rejects(bench.run(), { code: 'MODEL_SIGNATURE_INVALID' })
  }
  bench.serve(zip, Buffer.alloc(100_000))
  await assert.rejects(bench.run(), { code: 'MODEL_SIGNATURE_MISSING', message: /too large/ })
  await bench.assertNothingUnpacked()
})

test('does not take for proven what came into the store when nothing was asked', async () => {
  await using bench = await Bench.make()
  const zip = await pythonModel('1')
  bench.restart({ require: 'none' })
  bench.serve(zip)
  await bench.run({ sha256: sha256Of(zip) })
  bench.restart({ require: 'signature' })
  await assert.rejects(bench.run({ sha256: sha256Of(zip) }), { code: 'MODEL_SIGNATURE_MISSING' })
  bench.serve(zip, await signed(zip))
  assert.equal((await bench.run()).sha256, sha256Of(zip))
  bench.server.routes.clear()
  bench.restart({})
  await bench.run()
})

test('does not trust a package any more whose key was taken out of the configuration', async () => {
  await using bench = await Bench.make()
  const zip = await pythonModel('1')
  bench.serve(zip, await signed(zip))
  await bench.run()
  bench.restart({ keys: [stranger.publicLine] })
  await assert.rejects(bench.run(), { code: 'MODEL_SIGNATURE_UNKNOWN_KEY' })
})

test('keeps a proven version when the next one is not', async () => {
  await using bench = await Bench.make()
  const [first, second] = [await pythonModel('1'), await pythonModel('2')]
  bench.serve(first, await signed(first))
  await bench.run()
  bench.restart({ download: 'always' })
  bench.serve(second, await signed(first))
  assert.equal((await bench.run()).sha256, sha256Of(first))
  assert.equal(bench.log.of('model.kept-previous')[0]?.['code'], 'MODEL_SIGNATURE_INVALID')
})

test('does not keep an unproven version either', async () => {
  await using bench = await Bench.make()
  bench.restart({ require: 'none', download: 'always' })
  bench.serve(await pythonModel('1'))
  await bench.run()
  bench.restart({ require: 'signature' })
  await assert.rejects(bench.run(), { code: 'MODEL_SIGNATURE_MISSING' })
})

test('refuses a folder that was put there by hand, and says what to do', async () => {
  await using bench = await Bench.make()
  await bench.scratch.write('models/thr/index.py')
  for (const require of ['signature', 'sha256'] as const) {
    bench.restart({ require })
    await assert.rejects(bench.run(), {
      code: 'MODEL_UNPROVEN',
      message:
        /models\.require is \w+, and model 'thr' cannot be proven: .*models\/thr is a folder/,
      fix: /edgeboot model pack FOLDER/,
    })
  }
})

test('finds the signature of a path beside it, or where the configuration says', async () => {
  await using bench = await Bench.make()
  const zip = await pythonModel('1')
  const address = await bench.scratch.write('thr.zip', zip)
  await assert.rejects(bench.run({ address }), { code: 'MODEL_SIGNATURE_MISSING' })
  const signature = await bench.scratch.write('else/where.minisig', await signed(zip))
  assert.equal((await bench.run({ address, signature })).sha256, sha256Of(zip))
  await bench.scratch.write('thr.zip.minisig', await signed(zip, stranger))
  await assert.rejects(bench.run({ name: 'other', address }), {
    code: 'MODEL_SIGNATURE_UNKNOWN_KEY',
  })
})

test('wants a digest in the configuration when the policy is sha256', async () => {
  await using bench = await Bench.make()
  bench.restart({ require: 'sha256', keys: [] })
  const zip = await pythonModel('1')
  bench.serve(zip)
  await assert.rejects(bench.run(), { code: 'MODEL_UNPROVEN', message: /names no modelSha256/ })
  assert.deepEqual(bench.server.requests, [], 'nothing was fetched')
  assert.equal((await bench.run({ sha256: sha256Of(zip) })).sha256, sha256Of(zip))
})

test('does not go on with a pinned version that is not proven', async () => {
  await using bench = await Bench.make()
  bench.restart({ require: 'none' })
  bench.serve(await pythonModel('1'))
  const { sha256 = '', version } = await bench.run()
  await new ModelStore({
    settings: {
      folder: bench.scratch.path('models'),
      download: 'missing',
      require: 'none',
      keys: [],
      limits: roomyLimits,
    },
    clock: systemClock,
    log: bench.log.logger,
    readManifest,
  }).versions.activate('thr', { sha256, version })
  bench.restart({ require: 'signature' })
  await assert.rejects(bench.run(), { code: 'MODEL_SIGNATURE_MISSING' })
  assert.match(String(bench.log.of('model.pin-overruled')[0]?.['reason']), /not proven/)
})

/** Downloads that end early, mirrors, and what is kept of them. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { readManifest } from '../../../src/config/manifest/read-manifest.ts'
import type { ModelProof, ModelSource } from '../../../src/config/settings.ts'
import type { EdgebootError } from '../../../src/core/errors.ts'
import type { ModelPackage } from '../../../src/models/model-package.ts'
import { ModelStore } from '../../../src/models/model-store.ts'
import type { ResolveOptions } from '../../../src/models/resolve-options.ts'
import {
  blake2b512Of,
  makeKeys,
  readSigningKey,
  signatureText,
} from '../../../src/models/signing-key.ts'
import { partialsMax } from '../../../src/models/partial-downloads.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ModelServer, rangedFile, type RangedFile } from '../../support/model-server.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { noProof, roomyLimits } from '../../support/roomy-limits.ts'
import { Scratch } from '../../support/scratch.ts'
import { plainZip } from '../../support/zip-bytes.ts'

const day = 24 * 60 * 60_000
const cutAt = 60_000
const sha256Of = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Of random bytes, so that no part of it looks like another. */
const model = (): Promise<Buffer> =>
  plainZip({
    'index.py': 'def handler(event, context):\n    return 1\n',
    'weights.bin': randomBytes(200_000).toString('base64'),
  })

class Bench implements AsyncDisposable {
  readonly clock = new FakeClock(Date.now())
  readonly log = new RecordedLog()
  readonly scratch: Scratch
  readonly server: ModelServer
  /** The `Range` header of each request. */
  readonly ranges: (string | undefined)[] = []
  /** Asked of every package. */
  proof: ModelProof = noProof

  private constructor(scratch: Scratch, server: ModelServer) {
    this.scratch = scratch
    this.server = server
  }

  static async make(): Promise<Bench> {
    return new Bench(await Scratch.make(), await ModelServer.start())
  }

  serve(zip: Buffer, file: RangedFile = {}, path = '/thr.zip'): string {
    this.server.routes.set(
      path,
      rangedFile(zip, file, (range) => this.ranges.push(range)),
    )
    return this.server.url(path)
  }

  /** By a new process each time. */
  async resolve(
    source: Partial<ModelSource> = {},
    options: ResolveOptions = {},
  ): Promise<ModelPackage> {
    const settings = {
      folder: this.scratch.path('models'),
      download: 'missing' as const,
      ...this.proof,
      limits: roomyLimits,
    }
    const { clock, log } = this
    const store = new ModelStore({ settings, clock, log: log.logger, readManifest })
    const address = this.server.url('/thr.zip')
    return await store.resolve({ name: 'thr', address, ...source }, options)
  }

  /** A download whose connection is cut when this much of it is on the disk. */
  async interrupted(
    zip: Buffer,
    stallAt = cutAt,
    { path = '/thr.zip', ...file }: RangedFile & { path?: string } = {},
  ): Promise<void> {
    const address = this.serve(zip, { ...file, stallAt }, path)
    const onProgress = (bytes: number): void => {
      if (bytes === stallAt) this.server.cut()
    }
    await assert.rejects(this.resolve({ address }, { onProgress }), {
      code: 'MODEL_DOWNLOAD_FAILED',
    })
  }

  async partials(): Promise<string[]> {
    const tree = await this.scratch.tree('models/.edgeboot/partial').catch(() => [])
    return tree.filter((path) => path.endsWith('/package.zip'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]()
    await this.scratch[Symbol.asyncDispose]()
  }
}

test('goes on where a download ended, and asks for nothing twice', async () => {
  await using bench = await Bench.make()
  const zip = await model()
  await bench.interrupted(zip)
  const [partial = ''] = await bench.partials()
  const file = bench.scratch.path('models/.edgeboot/partial', partial)
  assert.ok(zip.subarray(0, cutAt).equals(await readFile(file)))
  bench.serve(zip)
  assert.equal((await bench.resolve()).sha256, sha256Of(zip))
  assert.deepEqual(bench.ranges, [undefined, `bytes=${cutAt}-`])
  assert.deepEqual(await bench.partials(), [])
  assert.equal(bench.log.of('model.download-resumed')[0]?.['fromByte'], cutAt)
})

test('goes on again and again', async () => {
  await using bench = await Bench.make()
  const zip = await model()
  for (const end of [cutAt, 2 * cutAt, 3 * cutAt]) {
    await bench.interrupted(zip, end)
  }
  bench.serve(zip)
  assert.equal((await bench.resolve()).sha256, sha256Of(zip))
  const froms = [cutAt, 2 * cutAt, 3 * cutAt].map((from) => `bytes=${from}-`)
  assert.deepEqual(bench.ranges, [undefined, ...froms])
})

test('starts anew when the file on the server is another', async () => {
  await using bench = await Bench.make()
  await bench.interrupted(await model())
  const other = await model()
  bench.serve(other)
  assert.equal((await bench.resolve()).sha256, sha256Of(other))
  assert.equal(bench.log.of('model.download-changed').length, 1)
})

test('starts anew at a server that does not know ranges', async () => {
  await using bench = await Bench.make()
  const zip = await model()
  await bench.interrupted(zip)
  bench.server.routes.set('/thr.zip', zip)
  assert.equal((await bench.resolve()).sha256, sha256Of(zip))
})

test('keeps nothing that cannot be gone on with', async () => {
  await using bench = await Bench.make()
  const zip = await model()
  await bench.interrupted(zip, cutAt, { etag: 'W/"weak"' })
  assert.deepEqual(await bench.partials(), [])
})

test('asks again for the last byte of what is whole but was not unpacked', async () => {
  await using bench = await Bench.make()
  const zip = await model()
  await bench.interrupted(zip)
  const [partial = ''] = await bench.partials()
  await writeFile(bench.scratch.path('models/.edgeboot/partial', partial), zip)
  bench.serve(zip)
  assert.equal((await bench.resolve()).sha256, sha256Of(zip))
  assert.equal(bench.ranges[1], `bytes=${zip.length - 1}-`)
})

test('refuses a server that sends another part than it was asked for, then starts anew', async () => {
  await using bench = await Bench.make()
  const zip = await model()
  const { length } = zip
  const lies = [
    `bytes 0-${length - 1}/${length}`,
    `bytes ${cutAt}-${length}/${length}`,
    `bytes ${cutAt}-${length - 1}/${length + 1}`,
    `bytes ${cutAt}-${cutAt}/${length}`,
    'nonsense',
  ]
  for (const contentRange of lies) {
    await bench.interrupted(zip)
    bench.serve(zip, { contentRange })
    await assert.rejects(bench.resolve(), {
      code: 'MODEL_DOWNLOAD_REFUSED',
      message: new RegExp(`asked for bytes from ${cutAt} on and sends another part`),
    })
    assert.deepEqual(await bench.partials(), [])
  }
  assert.equal((await bench.resolve()).sha256, sha256Of(zip))
})

test('fetches the whole once more when the parts do not make the package that is meant', async () => {
  await using bench = await Bench.make()
  const zip = await model()
  const sha256 = sha256Of(zip)
  await bench.interrupted(zip, cutAt, { etag: '"same"' })
  const [partial = ''] = await bench.partials()
  await writeFile(bench.scratch.path('models/.edgeboot/partial', partial), Buffer.alloc(cutAt))
  bench.serve(zip, { etag: '"same"' })
  assert.equal((await bench.resolve({ sha256 })).sha256, sha256)
  assert.deepEqual(bench.ranges, [undefined, `bytes=${cutAt}-`, undefined])
  assert.equal(bench.log.of('model.download-anew')[0]?.['code'], 'MODEL_DIGEST_MISMATCH')
})

test('fetches the whole once more when it is the signature that tells of wrong parts', async () => {
  await using bench = await Bench.make()
  const zip = await model()
  const { secretText, publicLine } = makeKeys()
  bench.proof = { require: 'signature', keys: [publicLine] }
  const hash = await blake2b512Of(Readable.from([zip]))
  const signature = signatureText(await readSigningKey(secretText, 'key'), hash, 'thr')
  await bench.interrupted(zip, cutAt, { etag: '"same"' })
  const [partial = ''] = await bench.partials()
  await writeFile(bench.scratch.path('models/.edgeboot/partial', partial), Buffer.alloc(cutAt))
  bench.serve(zip, { etag: '"same"' })
  bench.server.routes.set('/thr.zip.minisig', (_, response) => void response.end(signature))
  assert.equal((await bench.resolve()).sha256, sha256Of(zip))
  assert.equal(bench.log.of('model.download-anew')[0]?.['code'], 'MODEL_SIGNATURE_INVALID')
})

test('holds the size limit for all parts together', async () => {
  await using bench = await Bench.make()
  const zip = await model()
  await bench.interrupted(zip)
  const settings = {
    folder: bench.scratch.path('models'),
    download: 'missing' as const,
    ...noProof,
    limits: { ...roomyLimits, packageBytesMax: zip.length - 1 },
  }
  const { clock } = bench
  const store = new ModelStore({ settings, clock, log: bench.log.logger, readManifest })
  bench.serve(zip)
  await assert.rejects(store.resolve({ name: 'thr', address: bench.server.url('/thr.zip') }), {
    code: 'MODEL_PACKAGE_TOO_LARGE',
  })
})

test('keeps a bounded number of parts, for a week', async () => {
  await using bench = await Bench.make()
  const zip = await model()
  for (let index = 0; index < partialsMax + 2; index++) {
    await bench.interrupted(zip, cutAt, { path: `/${index}.zip` })
    bench.clock.advance(1000)
  }
  assert.equal((await bench.partials()).length, partialsMax)
  bench.clock.advance(8 * day)
  bench.ranges.length = 0
  const address = bench.serve(zip, {}, `/${partialsMax + 1}.zip`)
  await bench.resolve({ address })
  assert.deepEqual(bench.ranges, [undefined])
})

test('takes the first mirror that has it, and says why not the others', async () => {
  await using bench = await Bench.make()
  const zip = await model()
  const mirrors = [bench.server.url('/none.zip'), bench.serve(zip, {}, '/mirror.zip')]
  assert.equal((await bench.resolve({ mirrors })).sha256, sha256Of(zip))
  assert.deepEqual(
    bench.log.of('model.next-address').map(({ address, code }) => [address, code]),
    [
      [bench.server.url('/thr.zip'), 'MODEL_DOWNLOAD_REFUSED'],
      [bench.server.url('/none.zip'), 'MODEL_DOWNLOAD_REFUSED'],
    ],
  )
  bench.server.requests.length = 0
  await bench.resolve({ mirrors })
  assert.deepEqual(bench.server.requests, [], 'a mirror is a copy of the address')
})

test('says of all mirrors why it cannot be had, and whether trying again may help', async () => {
  await using bench = await Bench.make()
  bench.server.routes.set('/thr.zip', (_request, response) => response.writeHead(503).end())
  const mirrors = [bench.server.url('/a.zip'), bench.server.url('/b.zip')]
  await assert.rejects(bench.resolve({ mirrors }), (error: EdgebootError) => {
    assert.equal(error.code, 'MODEL_DOWNLOAD_FAILED')
    assert.match(error.message, /none of 3 addresses: .*thr\.zip: .*; .*a\.zip: .*404.*; .*b\.zip/)
    return true
  })
})

test('takes from a mirror what does not have the digest at the address', async () => {
  await using bench = await Bench.make()
  const zip = await model()
  bench.serve(await model())
  const mirrors = [bench.serve(zip, {}, '/mirror.zip')]
  assert.equal((await bench.resolve({ mirrors, sha256: sha256Of(zip) })).sha256, sha256Of(zip))
})

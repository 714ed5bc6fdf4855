/** Commands that change the store: pull, activate, rollback, gc. No instance runs. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { addActivateCommand } from '../../../../src/cli/model/activate.ts'
import { addGcCommand } from '../../../../src/cli/model/gc.ts'
import { addPullCommand } from '../../../../src/cli/model/pull.ts'
import { addRollbackCommand } from '../../../../src/cli/model/rollback.ts'
import { readManifest } from '../../../../src/config/manifest/read-manifest.ts'
import { systemClock } from '../../../../src/core/clock.ts'
import { silentLogger } from '../../../../src/core/log.ts'
import { ModelStore } from '../../../../src/models/model-store.ts'
import type { VersionRecord } from '../../../../src/models/version-record.ts'
import { ModelServer, rangedFile } from '../../../support/model-server.ts'
import { noProof, roomyLimits } from '../../../support/roomy-limits.ts'
import { Scratch } from '../../../support/scratch.ts'
import { plainZip } from '../../../support/zip-bytes.ts'
import { runCommand, type CommandRun } from '../run-command.ts'

const sha256Of = (zip: Buffer): string => createHash('sha256').update(zip).digest('hex')
const zipOf = (version: string): Promise<Buffer> =>
  plainZip({ 'index.py': `VERSION = '${version}'\n`, 'model.yaml': `version: ${version}\n` })

class Bench implements AsyncDisposable {
  readonly scratch: Scratch
  readonly server: ModelServer

  private constructor(scratch: Scratch, server: ModelServer) {
    this.scratch = scratch
    this.server = server
  }

  static async make(): Promise<Bench> {
    const bench = new Bench(await Scratch.make(), await ModelServer.start())
    await bench.scratch.write(
      'conf/config.yaml',
      `mqtts: [{ name: plant, broker: "tcp://127.0.0.1:1" }]
rules: [{ name: pumps, sub: { name: plant, topic: in }, pub: { name: plant, topic: out } }]
funcs: [{ modelName: thr, modelAddress: "${bench.server.url('/thr.zip')}" }]
models: { folder: ../models }
web: { enabled: false }
`,
    )
    return bench
  }

  run(command: 'pull' | 'activate' | 'rollback' | 'gc', ...args: string[]): Promise<CommandRun> {
    const add = {
      pull: addPullCommand,
      activate: addActivateCommand,
      rollback: addRollbackCommand,
      gc: addGcCommand,
    }[command]
    return runCommand(add, [command, ...args], { cwd: this.scratch.folder })
  }

  get store(): ModelStore {
    return new ModelStore({
      settings: {
        folder: this.scratch.path('models'),
        download: 'missing',
        ...noProof,
        limits: roomyLimits,
      },
      clock: systemClock,
      log: silentLogger,
      readManifest,
    })
  }

  record(): Promise<VersionRecord> {
    return this.store.versions.read('thr')
  }

  /** As if a pipeline had run it. */
  async serve(version: string): Promise<string> {
    const address = await this.scratch.write(`thr-${version}.zip`, await zipOf(version))
    const model = await this.store.pull({ name: 'thr', address })
    await this.store.versions.confirm(model)
    return model.sha256 ?? ''
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]()
    await this.scratch[Symbol.asyncDispose]()
  }
}

test('pull fetches what the configuration says of a model, and lets nothing serve', async () => {
  await using bench = await Bench.make()
  const zip = await zipOf('1.4.0')
  bench.server.routes.set('/thr.zip', rangedFile(zip))
  const { stdout } = await bench.run('pull', 'thr')
  assert.match(stdout, /^fetching http.*\/thr\.zip$/m)
  assert.match(stdout, /\b100 %$/m)
  assert.match(
    stdout,
    new RegExp(`^thr 1\\.4\\.0 is in the store: python, SHA-256 ${sha256Of(zip)}$`, 'm'),
  )
  assert.match(stdout, /It is not active/)
  assert.equal((await bench.record()).active, undefined)
})

test('pull takes an address, names the model by its file, and checks the digest', async () => {
  await using bench = await Bench.make()
  const zip = await zipOf('2.0.0')
  bench.server.routes.set('/pump-state-v2.0.0.zip', rangedFile(zip))
  const address = bench.server.url('/pump-state-v2.0.0.zip')
  await assert.rejects(bench.run('pull', address, '--sha256', 'ab'.repeat(32)), {
    code: 'MODEL_DIGEST_MISMATCH',
  })
  const { stdout } = await bench.run('pull', address, '--sha256', sha256Of(zip))
  assert.match(stdout, /^pump-state 2\.0\.0 is in the store/m)
})

test('pull fails where edgeboot run would keep the version before', async () => {
  await using bench = await Bench.make()
  await bench.serve('1.0.0')
  await assert.rejects(bench.run('pull', 'thr'), { code: 'MODEL_DOWNLOAD_REFUSED' })
  await assert.rejects(bench.run('pull', 'other'), {
    message: /"other" is not in the configuration/,
    fix: /or one of thr/,
  })
})

test('pull wants the signature of the key that it is given', async () => {
  await using bench = await Bench.make()
  bench.server.routes.set('/thr.zip', await zipOf('1.0.0'))
  const key = 'RWTW9pzHIKBsnJdoDyauA75K9afU1hkyueGLz7p4udGJlZfLkaOzpZgf'
  await assert.rejects(bench.run('pull', 'thr', '--public-key', key), {
    code: 'MODEL_SIGNATURE_MISSING',
  })
})

test('activate pins a version by its name or its digest, for the next start', async () => {
  await using bench = await Bench.make()
  const first = await bench.serve('1.0.0')
  const second = await bench.serve('2.0.0')
  const { stdout } = await bench.run('activate', 'thr', '1.0.0')
  assert.match(stdout, /^thr: version 1\.0\.0 \(\w{12}\), from the next start of edgeboot on/)
  const record = await bench.record()
  assert.deepEqual(record.pinned, { sha256: first, version: '1.0.0' })
  assert.equal(record.active?.sha256, second, 'until it has taken over')
  await bench.run('activate', 'thr', second.slice(0, 8))
  assert.equal((await bench.record()).pinned?.sha256, second)
  await bench.run('activate', 'thr', '--unpin')
  assert.equal((await bench.record()).pinned, undefined)
})

test('activate says which versions there are', async () => {
  await using bench = await Bench.make()
  await bench.serve('1.0.0')
  await assert.rejects(bench.run('activate', 'thr', '9.9.9'), {
    code: 'MODEL_VERSION_UNKNOWN',
    message: /no version "9\.9\.9" of model 'thr'/,
    fix: /1\.0\.0 \(\w{12}\)/,
  })
  await assert.rejects(bench.run('activate', 'thr'), { code: 'CLI_USAGE' })
})

test('rollback goes back, holds the other one with the reason, and knows when there is none', async () => {
  await using bench = await Bench.make()
  const first = await bench.serve('1.0.0')
  const second = await bench.serve('2.0.0')
  const { stdout } = await bench.run('rollback', 'thr', '--reason', 'alarms since 02:10')
  assert.match(stdout, /^thr: version 1\.0\.0/)
  const record = await bench.record()
  assert.equal(record.active?.sha256, first)
  assert.deepEqual(
    record.held.map(({ sha256, by, reason }) => [sha256, by, reason]),
    [[second, 'operator', 'alarms since 02:10']],
  )
  await assert.rejects(bench.run('rollback', 'thr'), { code: 'MODEL_VERSION_UNKNOWN' })
})

test('gc only says what it would remove when it is told so, then removes it', async () => {
  await using bench = await Bench.make()
  const digests = []
  for (const version of ['1.0.0', '2.0.0', '3.0.0']) digests.push(await bench.serve(version))
  const [first = ''] = digests
  const file = `models/.edgeboot/packages/${first}/package.json`
  const there = async (): Promise<boolean> =>
    (await bench.scratch.tree()).some((path) => path.endsWith(`${first}/package.json`))
  assert.match((await bench.run('gc')).stdout, /^nothing to remove$/m)
  // It came long ago.
  const record = {
    ...(JSON.parse(await readFile(bench.scratch.path(file), 'utf8')) as object),
    unpackedAt: '2026-01-01T00:00:00Z',
  }
  await bench.scratch.write(file, JSON.stringify(record))
  const dry = await bench.run('gc', '--dry-run')
  assert.match(dry.stdout, new RegExp(`^would remove package ${first.slice(0, 12)}, \\d+ B$`, 'm'))
  assert.match(dry.stdout, /nothing was removed/)
  assert.equal(await there(), true)
  assert.match((await bench.run('gc', '--keep', '3')).stdout, /^nothing to remove$/m)
  assert.match((await bench.run('gc')).stdout, /^freed 1 of them, \d/m)
  assert.equal(await there(), false)
})

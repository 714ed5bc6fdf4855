/** Whatever happens to the versions of a model, in whatever order, some things always hold. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { EdgebootError } from '../../../src/core/errors.ts'
import { removeGarbage } from '../../../src/models/collect-garbage.ts'
import type { ModelPackage } from '../../../src/models/model-package.ts'
import { heldVersion, keptVersions } from '../../../src/models/version-record.ts'
import { VersionBench } from '../../support/version-bench.ts'

const versions = ['1', '2', '3', '4'] as const
const version = fc.constantFrom(...versions)

/** Something that a configuration, a pipeline, an operator or a power cut does. */
type Step =
  | {
      readonly do: 'serve' | 'publish' | 'activate' | 'hold' | 'prove' | 'name'
      readonly version: string
    }
  | { readonly do: 'resolve' | 'confirm' | 'rollback' | 'unpin' | 'collect' | 'crash' }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom('serve', 'serve', 'publish', 'activate', 'hold', 'hold', 'prove', 'name'),
    version,
  }),
  fc.record({
    do: fc.constantFrom('resolve', 'confirm', 'rollback', 'unpin', 'collect', 'crash'),
  }),
)

class Run {
  readonly #bench: VersionBench
  /** What a pipeline was given last. */
  #loaded: ModelPackage | undefined
  /** Digest in the configuration. */
  #named: string | undefined

  constructor(bench: VersionBench) {
    this.#bench = bench
  }

  async do(step: Step): Promise<void> {
    const bench = this.#bench
    bench.clock.advance(2 * 60 * 60_000)
    const sha256 = 'version' in step ? await bench.sha256Of(step.version) : ''
    if (step.do === 'serve') {
      await bench.publish(step.version)
      await this.do({ do: 'resolve' })
      await this.do({ do: 'confirm' })
    } else if (step.do === 'publish') await bench.publish(step.version)
    else if (step.do === 'name') this.#named = step.version === '4' ? undefined : sha256
    else if (step.do === 'hold') await bench.versions.hold('thr', sha256, 'worse', 'samples')
    else if (step.do === 'prove') await bench.versions.prove('thr', sha256)
    else if (step.do === 'unpin') await bench.versions.unpin('thr')
    else if (step.do === 'collect') await this.#collect()
    else if (step.do === 'resolve') this.#loaded = await this.#resolve()
    else if (step.do === 'confirm') {
      // It may have been removed since, if another pipeline decided so; a host that runs would not care.
      const { sha256: loaded } = this.#loaded ?? {}
      if (this.#loaded !== undefined && loaded !== undefined) {
        if ((await bench.packages.find(loaded)) !== undefined) {
          await bench.versions.confirm(this.#loaded)
        }
      }
    } else if (step.do === 'crash') {
      await bench.scratch.write('models/.edgeboot/tmp/1-1-torn.json', '{"format":2')
      bench.restart()
    } else {
      const change =
        step.do === 'rollback'
          ? bench.versions.rollback('thr')
          : bench.versions.activate('thr', { sha256, version: sha256.slice(0, 12) })
      await change.catch((thrown: unknown) => {
        assert.ok(thrown instanceof EdgebootError && thrown.code === 'MODEL_VERSION_UNKNOWN')
      })
    }
  }

  async assertHolds(): Promise<void> {
    const { versions, packages } = this.#bench
    const record = await versions.read('thr')
    const { active, previous, held, pinned } = record
    if (active !== undefined) {
      assert.ok(await packages.find(active.sha256), 'what is active is on the disk')
      assert.equal(heldVersion(record, active.sha256), undefined, 'and is not held back')
    }
    if (pinned !== undefined) assert.equal(heldVersion(record, pinned.sha256), undefined)
    assert.notEqual(previous?.sha256, active?.sha256 ?? null)
    assert.equal(new Set(held.map(({ sha256 }) => sha256)).size, held.length)
    assert.deepEqual(this.#bench.log.of('model.record-unreadable'), [])
  }

  async #resolve(): Promise<ModelPackage | undefined> {
    const { versions } = this.#bench
    const before = await versions.read('thr')
    const source = this.#named === undefined ? {} : { sha256: this.#named }
    const found = await this.#bench.resolve(source).catch((thrown: unknown) => {
      assert.ok(thrown instanceof EdgebootError)
      return undefined
    })
    if (found?.sha256 === undefined) return found
    assert.equal(heldVersion(before, found.sha256), undefined, 'a held one was handed out')
    const { pinned } = before
    const isContradicted = this.#named !== undefined && this.#named !== pinned?.sha256
    if (pinned !== undefined && !isContradicted) assert.equal(found.sha256, pinned.sha256)
    return found
  }

  async #collect(): Promise<void> {
    const { versions, packages, scratch } = this.#bench
    const record = await versions.read('thr')
    const there = new Set((await packages.all()).map(({ sha256 }) => sha256))
    const needed = [...keptVersions(record), this.#named].filter((one) => there.has(one ?? ''))
    const named = this.#named === undefined ? {} : { sha256: this.#named }
    const sources = [{ name: 'thr', address: scratch.path('thr.zip'), ...named }]
    for (const one of await this.#bench.garbage({ sources })) await removeGarbage(one, packages)
    for (const sha256 of needed) {
      assert.ok(await packages.find(sha256 ?? ''), `${sha256} was needed and is gone`)
    }
  }
}

test('what is active is always there, what is held is never chosen, what is needed is never removed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      await using bench = await VersionBench.make()
      const run = new Run(bench)
      for (const one of steps) {
        await run.do(one)
        await run.assertHolds()
      }
    }),
    { numRuns: 60 },
  )
})

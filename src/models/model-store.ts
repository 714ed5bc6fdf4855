import { isAbsolute, join } from 'node:path'
import type { ModelsSettings, ModelSource } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import { asEdgebootError } from '../core/errors.ts'
import type { LogFields, Logger } from '../core/log.ts'
import { expectedDigests, hasDigest, matchesDigests, type ExpectedDigests } from './digest.ts'
import { assertModelName } from './model-name.ts'
import type { ModelPackage } from './model-package.ts'
import { addressFingerprint, displayAddress, isRemoteAddress } from './package-address.ts'
import { PackageFetcher, statPackage, type FetchReport } from './package-fetcher.ts'
import { ModelVersions } from './model-versions.ts'
import { PackageFolder, type StoredPackage } from './package-folder.ts'
import { isProvenBy, unproven } from './package-proof.ts'
import { PackageReader, Warnings } from './package-reader.ts'
import { SharedWork } from './shared-work.ts'
import { configuredSignature, mirroredAddress, sourceAddresses } from './source-addresses.ts'
import { tell, type ModelStoreOptions, type ResolveOptions } from './resolve-options.ts'
import { heldBackError, nowhereError, unsupportedAddressError } from './source-error.ts'
import { asStoreError } from './store-error.ts'
import { tryAddresses } from './try-addresses.ts'
import { heldVersion, withOrigin, type HeldVersion } from './version-record.ts'

interface ObtainOptions extends ResolveOptions {
  /** Only what the addresses have counts. */
  readonly isPull?: boolean
}

/**
 * Turns what a configuration says of a model into a package on the disk, proven as configured.
 *
 * In this order: the version that an operator activated; a folder put there by hand, unless the
 * policy is `always`; a package of the store with the configured digest, without any network;
 * without a digest, what was fetched from the same address before, unless the policy is `always`;
 * the address. When that fails, or gives a version that is held back, and the model has an earlier
 * package, that one is kept and a warning says why. What it hands out is not active by that: see
 * {@link ModelStore.versions}. The constructor acquires nothing, and nothing is held between calls.
 */
export class ModelStore {
  /** Which version serves: to be told by whoever runs what {@link ModelStore.resolve} hands out. */
  readonly versions: ModelVersions
  readonly #settings: ModelsSettings
  readonly #clock: Clock
  readonly #log: Logger
  readonly #store: PackageFolder
  readonly #fetcher: PackageFetcher
  readonly #fetches = new SharedWork<StoredPackage, FetchReport>()
  readonly #environments: ModelStoreOptions['environments']
  readonly #warnings: Warnings
  readonly #reader: PackageReader
  #cleaned: Promise<void> | undefined

  constructor(options: ModelStoreOptions) {
    const { settings, clock, log, readManifest, fetch = globalThis.fetch } = options
    this.#settings = settings
    this.#clock = clock
    this.#environments = options.environments
    this.#log = log
    this.#warnings = new Warnings(log)
    this.#reader = new PackageReader({ settings, readManifest, warnings: this.#warnings })
    const warn = (event: string, fields: LogFields): void => log.warn(event, fields)
    this.#store = new PackageFolder(settings.folder, clock, warn)
    const store = this.#store
    this.versions = new ModelVersions({ folder: settings.folder, packages: store, clock, log })
    const { limits } = settings
    this.#fetcher = new PackageFetcher({ store, limits, proof: settings, clock, log, fetch })
  }

  /**
   * The package of a model, ready to be loaded. May be called for many models at once; those who
   * want the same package share one fetch.
   *
   * @throws `CONFIG_INVALID` for an unsafe name or a malformed digest; with no earlier package to
   * keep: `MODEL_NOT_FOUND`, `MODEL_DOWNLOAD_*`, `MODEL_DIGEST_MISMATCH`, `MODEL_PACKAGE_*`,
   * `MODEL_SIGNATURE_*`, `MODEL_UNPROVEN`, `MODEL_NO_ENTRY`,
   * `MODEL_ENTRY_AMBIGUOUS`, `MODEL_MANIFEST_INVALID`, `MODEL_HELD_BACK`, `MODEL_ENVIRONMENT_FAILED`,
   * `MODEL_STORE_FAILED`; the reason of `signal`.
   */
  async resolve(source: ModelSource, options: ResolveOptions = {}): Promise<ModelPackage> {
    options.signal?.throwIfAborted()
    assertModelName(source.name)
    const expected = expectedDigests(source)
    this.#cleaned ??= this.#clean()
    await this.#cleaned
    if (expected.md5 !== undefined && expected.sha256 === undefined) {
      this.#warnings.warn('model.md5-only', source.name, {
        advice: 'MD5 detects damage, not forgery: configure modelSha256',
      })
    }
    const pinned = await this.#pinned(source, expected)
    if (pinned !== undefined) return await this.#prepare(pinned, source, options)
    let found: ModelPackage | undefined
    try {
      // An address is what `always` looks at; without one there is only the disk.
      if (this.#settings.download !== 'always' || source.address === undefined) {
        const placed = await this.#reader.placed(source)
        if (placed !== undefined) found = await this.#reader.fromFolder(source, placed)
      }
      found ??= await this.#obtain(source, expected, options)
      return await this.#prepare(found, source, options)
    } catch (thrown) {
      options.signal?.throwIfAborted()
      const error = asEdgebootError(
        asStoreError(thrown, 'read the store of models', this.#settings.folder),
      )
      const kept = await this.#previous(source)
      if (kept === undefined || kept.folder === found?.folder) throw error
      const { code, message } = error
      this.#log.warn('model.kept-previous', {
        model: source.name,
        version: kept.version,
        code,
        reason: message,
      })
      return await this.#prepare(kept, source, options)
    }
  }

  /** With the environment that it requires. */
  async #prepare(
    found: ModelPackage,
    source: ModelSource,
    options: ResolveOptions,
  ): Promise<ModelPackage> {
    return (await this.#environments?.prepare(found, source, options)) ?? found
  }

  /**
   * Brings the package of a model into the store, from its addresses alone: what serves, what lies
   * in the models folder and what is held back does not matter.
   *
   * @throws As {@link ModelStore.resolve}, whatever else there is.
   */
  async pull(source: ModelSource, options: ResolveOptions = {}): Promise<ModelPackage> {
    options.signal?.throwIfAborted()
    assertModelName(source.name)
    const expected = expectedDigests(source)
    this.#cleaned ??= this.#clean()
    await this.#cleaned
    return await this.#obtain(source, expected, { ...options, isPull: true })
  }

  /** What an operator chose, unless the configuration names something else. */
  async #pinned(source: ModelSource, expected: ExpectedDigests): Promise<ModelPackage | undefined> {
    const { pinned } = await this.versions.read(source.name)
    if (pinned === undefined) return undefined
    const stored = await this.#store.find(pinned.sha256)
    const isMeant = stored !== undefined && matchesDigests(stored, expected)
    if (isMeant && this.#isProven(stored, expected))
      return await this.#reader.fromStored(source, stored)
    const reason = isMeant
      ? `it is not proven as models.require asks: ${this.#settings.require}`
      : stored === undefined
        ? 'it is gone from the store'
        : 'the configuration names another digest'
    this.#warnings.warn('model.pin-overruled', source.name, { version: pinned.version, reason })
    return undefined
  }

  async #obtain(
    source: ModelSource,
    expected: ExpectedDigests,
    options: ObtainOptions,
  ): Promise<ModelPackage> {
    if (this.#settings.require === 'sha256' && expected.sha256 === undefined) {
      throw unproven(source, this.#settings, 'the configuration names no modelSha256')
    }
    const { address, mirrors = [] } = source
    const addresses =
      options.isPull === true && address !== undefined
        ? [address, ...mirrors]
        : await sourceAddresses(source, this.#settings)
    const stored = await this.#known(source, expected, addresses)
    if (stored !== undefined && this.#isProven(stored, expected)) {
      return await this.#use(source, stored, source.address, options)
    }
    if (addresses.length === 0) throw nowhereError(source, this.#settings.folder)
    const { totalMs } = this.#settings.limits
    const { signal } = options
    return await tryAddresses(
      { model: source.name, addresses, totalMs, signal, clock: this.#clock, log: this.#log },
      (address, remainingMs) =>
        this.#fromAddress(source, { address, remainingMs }, expected, options),
    )
  }

  /** What needs no network: by digest, or fetched before from where the configuration points. */
  async #known(
    source: ModelSource,
    expected: ExpectedDigests,
    addresses: readonly string[],
  ): Promise<StoredPackage | undefined> {
    if (hasDigest(expected)) return await this.#store.findMatching(expected)
    const { address } = source
    if (this.#settings.download === 'always' || address === undefined) return undefined
    // A path is cheap to look at, and may have been replaced since.
    if (addresses.some((other) => !isRemoteAddress(other))) return undefined
    const { origins } = await this.versions.read(source.name)
    const fingerprint = addressFingerprint(address)
    const origin = origins.find(({ addressFingerprint: other }) => other === fingerprint)
    return origin === undefined ? undefined : await this.#store.find(origin.sha256)
  }

  async #fromAddress(
    source: ModelSource,
    { address, remainingMs }: { readonly address: string; readonly remainingMs: number },
    expected: ExpectedDigests,
    options: ObtainOptions,
  ): Promise<ModelPackage> {
    if (!isRemoteAddress(address)) {
      if (!isAbsolute(address)) throw unsupportedAddressError(source.name, address)
      if ((await statPackage(source.name, address)).isFolder) {
        return await this.#reader.fromFolder(source, await this.#reader.detect(source, [address]))
      }
    }
    const { signal } = options
    const signature = configuredSignature(source, address, this.#settings)
    const key = JSON.stringify([address, expected.md5?.hex, expected.sha256?.hex, signature])
    const request = {
      model: source.name,
      address,
      expected,
      remainingMs,
      ...(signature !== undefined && { signature }),
    }
    const stored = await this.#fetches.join(
      key,
      signal,
      (report) => tell(report, options),
      (shared, report) => this.#fetcher.fetch(request, shared, report),
    )
    return await this.#use(source, stored, mirroredAddress(source, address), options)
  }

  /** Hands out a package of the store that can be started, or what is to be used in its place. */
  async #use(
    source: ModelSource,
    stored: StoredPackage,
    address: string | undefined,
    { isPull = false }: ObtainOptions,
  ): Promise<ModelPackage> {
    const result = await this.#reader.fromStored(source, stored)
    const { sha256 } = stored
    const origin = address ?? join(this.#settings.folder, `${source.name}.zip`)
    const place = {
      address: displayAddress(origin),
      addressFingerprint: addressFingerprint(origin),
    }
    try {
      await this.versions.change(source.name, (record) => withOrigin(record, { sha256, ...place }))
    } catch (thrown) {
      // The package is proven and there; only the next start will not know where it came from.
      const { message } = asEdgebootError(thrown)
      this.#log.warn('model.activation-unrecorded', { model: source.name, reason: message })
    }
    const held = heldVersion(await this.versions.read(source.name), sha256)
    const isFine = held === undefined || isPull
    return isFine ? result : await this.#insteadOf(result, held, source)
  }

  async #insteadOf(
    { name, version }: ModelPackage,
    { by, reason }: HeldVersion,
    source: ModelSource,
  ): Promise<ModelPackage> {
    const kept = await this.#previous(source)
    const error = heldBackError(name, version, `${reason} (${by})`)
    if (kept === undefined) throw error
    this.#warnings.warn('model.held-back', name, {
      version,
      by,
      reason,
      serves: kept.version,
      fix: error.fix,
    })
    return kept
  }

  /**
   * What served before a package and may serve again; `undefined` when there is nothing. Never rejects.
   */
  async predecessor(
    source: ModelSource,
    { sha256 }: Pick<ModelPackage, 'sha256'>,
  ): Promise<ModelPackage | undefined> {
    if (sha256 === undefined) return undefined
    const { active, previous } = await this.versions.read(source.name)
    return await this.#firstUsable(source, [active, previous], sha256).catch(() => undefined)
  }

  /** What served before, else what the address gave last, else a folder put there by hand. */
  async #previous(source: ModelSource): Promise<ModelPackage | undefined> {
    const { active, previous, origins } = await this.versions.read(source.name)
    const found = await this.#firstUsable(source, [active, previous, ...origins])
    if (found !== undefined) return found
    if (this.#settings.require !== 'none') return undefined
    const placed = await this.#reader.placed(source).catch(() => undefined)
    return placed === undefined ? undefined : await this.#reader.fromFolder(source, placed)
  }

  async #firstUsable(
    source: ModelSource,
    candidates: readonly ({ readonly sha256: string } | undefined)[],
    except?: string,
  ): Promise<ModelPackage | undefined> {
    const record = await this.versions.read(source.name)
    for (const sha256 of candidates.map((one) => one?.sha256)) {
      if (sha256 === undefined || sha256 === except) continue
      if (heldVersion(record, sha256) !== undefined) continue
      const stored = await this.#store.find(sha256)
      if (stored === undefined || !isProvenBy(stored.proof, this.#settings)) continue
      // One that cannot be started is no help; what is thrown then is why the new one failed.
      const found = await this.#reader.fromStored(source, stored).catch(() => undefined)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** A configured digest proves what it matches, whether it was configured when that was fetched or not. */
  #isProven(stored: StoredPackage, { sha256 }: ExpectedDigests): boolean {
    if (this.#settings.require === 'sha256' && sha256?.hex === stored.sha256) return true
    return isProvenBy(stored.proof, this.#settings)
  }

  async #clean(): Promise<void> {
    try {
      const removed = await this.#store.removeLeftovers()
      if (removed > 0) this.#log.info('model.leftovers-removed', { removed })
    } catch (thrown) {
      this.#log.warn('model.leftovers-kept', { reason: String(thrown) })
    }
  }
}

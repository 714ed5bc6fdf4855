import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ModelProof, ModelsSettings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import { asEdgebootError, EdgebootError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { AnnouncedFile, PartialFile } from './byte-range.ts'
import { checkDigests, type ExpectedDigests, type FileDigests } from './digest.ts'
import { assertRoom } from './disk-room.ts'
import { downloadFile, type DownloadOptions } from './http-download.ts'
import { addressFingerprint, displayAddress, isRemoteAddress } from './package-address.ts'
import type { PackageFolder, StoredPackage } from './package-folder.ts'
import { checkSignature, type PackageProof } from './package-proof.ts'
import { downloadFileName } from './partial-downloads.ts'
import {
  digestFile,
  readFileChunks,
  saveStream,
  tooLarge,
  type StreamBounds,
} from './save-stream.ts'
import { readSignature, signatureAddress } from './signature-file.ts'
import { asStoreError, isSystemError } from './store-error.ts'
import { writeRecord, type PackageRecord } from './store-records.ts'
import { unpackZip } from './unpack-zip.ts'

/** What the fetcher works with. */
export interface FetcherOptions {
  readonly store: PackageFolder
  readonly limits: ModelsSettings['limits']
  /** What a package must have before it is unpacked. */
  readonly proof: ModelProof
  readonly clock: Clock
  readonly log: Logger
  readonly fetch: typeof globalThis.fetch
}

/** What is wanted, and from where. */
export interface FetchRequest {
  /** For messages: the first of those who asked. */
  readonly model: string
  /** `http(s)://…` or the absolute path of a zip. */
  readonly address: string
  readonly expected: ExpectedDigests
  /** Where its signature is; absent: beside it. */
  readonly signature?: string
  /** What is left of `limits.totalMs`. */
  readonly remainingMs?: number
}

/** What a file comes to whose parts are not of one file. */
const partsMayBeWrong: ReadonlySet<string> = new Set([
  'MODEL_DIGEST_MISMATCH',
  'MODEL_PACKAGE_INVALID',
  'MODEL_SIGNATURE_INVALID',
])

interface Way {
  readonly signal: AbortSignal
  readonly report: (report: FetchReport) => void
  /** The address without credentials. */
  readonly where: string
}

/** How far it is. */
export type FetchReport =
  | { readonly kind: 'state'; readonly state: 'FETCHING' | 'VERIFYING'; readonly detail: string }
  | { readonly kind: 'progress'; readonly bytes: number; readonly total?: number }

/**
 * Brings a zip from its address into the store: fetched or copied to a temporary file, compared
 * with its digests, proven as the policy asks, unpacked beside it, moved into place in one step.
 * Whatever fails on the way leaves the store as it was.
 */
export class PackageFetcher {
  readonly #options: FetcherOptions

  constructor(options: FetcherOptions) {
    this.#options = options
  }

  /**
   * @throws `MODEL_DOWNLOAD_*`, `MODEL_NOT_FOUND` for a path, `MODEL_DIGEST_MISMATCH`,
   * `MODEL_SIGNATURE_*`, `MODEL_PACKAGE_*`, `MODEL_STORE_FAILED`, the reason of `signal`.
   */
  async fetch(
    request: FetchRequest,
    signal: AbortSignal,
    report: (report: FetchReport) => void,
  ): Promise<StoredPackage> {
    const where = displayAddress(request.address)
    try {
      if (!isRemoteAddress(request.address)) {
        report({ kind: 'state', state: 'VERIFYING', detail: where })
        const known = await this.#findLocal(request, signal)
        if (known !== undefined) return known
      }
      return await this.#fetchOnce(request, { signal, report, where })
    } catch (thrown) {
      throw asStoreError(thrown, `read or store the package of model '${request.model}'`, where)
    }
  }

  /** A path costs no network, so it is looked at every time, but copied only when it is new. */
  async #findLocal(request: FetchRequest, signal: AbortSignal): Promise<StoredPackage | undefined> {
    const { model, address, expected } = request
    const { store } = this.#options
    const digests = await digestFile(address, await this.#localBounds(model, address, signal))
    checkDigests(digests, expected, model, address)
    const known = await store.find(digests.sha256)
    if (known === undefined) return undefined
    const folder = await store.makeTemporary()
    try {
      return await store.prove(known, await this.#prove(request, address, digests, folder, signal))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  /** What was fetched in parts and is wrong is fetched once more as a whole. */
  async #fetchOnce(request: FetchRequest, way: Way): Promise<StoredPackage> {
    const { store, log } = this.#options
    const folder = await store.makeTemporary()
    const { model, address } = request
    const partial = isRemoteAddress(address)
      ? await store.partials.claim(addressFingerprint(address), folder)
      : undefined
    try {
      return await this.#fetchInto(folder, request, way, partial)
    } catch (thrown) {
      const { code } = asEdgebootError(thrown)
      if (partial === undefined || !partsMayBeWrong.has(code)) throw thrown
      log.warn('model.download-anew', { model, address: way.where, code })
      return await this.#fetchInto(await store.makeTemporary(), request, way, undefined)
    }
  }

  async #fetchInto(
    folder: string,
    request: FetchRequest,
    way: Way,
    partial: PartialFile | undefined,
  ): Promise<StoredPackage> {
    const { signal, report, where } = way
    let isDownloading = true
    try {
      const zipFile = join(folder, downloadFileName)
      const digests = await this.#bring(request, folder, way, partial)
      isDownloading = false
      report({ kind: 'state', state: 'VERIFYING', detail: where })
      checkDigests(digests, request.expected, request.model, where)
      const proof = await this.#prove(request, zipFile, digests, folder, signal)
      const { store } = this.#options
      const known = await store.find(digests.sha256)
      if (known !== undefined) return await store.prove(known, proof)
      const { model } = request
      return await this.#unpack(folder, zipFile, digests, { model, proof, where, signal })
    } catch (thrown) {
      // A server that refuses will not send the rest either, and a full disk needs the room.
      if (isDownloading && isWorthKeeping(thrown)) await this.#options.store.partials.keep(folder)
      throw thrown
    } finally {
      await rm(folder, { recursive: true, force: true }).catch((thrown: unknown) => {
        this.#options.log.warn('model.leftover', { folder, reason: String(thrown) })
      })
    }
  }

  async #bring(
    { model, address, remainingMs }: FetchRequest,
    folder: string,
    { signal, report, where }: Way,
    partial: PartialFile | undefined,
  ): Promise<FileDigests> {
    const zipFile = join(folder, downloadFileName)
    const { log } = this.#options
    if (!isRemoteAddress(address)) {
      const { size } = await statPackage(model, address)
      await assertRoom({ folder, bytes: size, doing: 'copy the package', where })
      const bounds = await this.#localBounds(model, address, signal)
      return await saveStream(readFileChunks(address), zipFile, bounds)
    }
    const fetching = { model, address: where, ...(partial && { fromByte: partial.bytes }) }
    log.info('model.fetching', fetching)
    report({ kind: 'state', state: 'FETCHING', detail: where })
    const { resumedAt, ...digests } = await downloadFile(address, zipFile, {
      ...this.#downloading(signal),
      ...(partial && { partial }),
      ...(remainingMs !== undefined && { remainingMs }),
      onAnnounced: (file) => this.#prepare(address, folder, file),
      onProgress: (bytes, total) =>
        report({ kind: 'progress', bytes, ...(total === undefined ? {} : { total }) }),
    })
    if (partial !== undefined) {
      log.info(resumedAt > 0 ? 'model.download-resumed' : 'model.download-changed', fetching)
    }
    return digests
  }

  /** Before the first byte: is there room, and what must be known to go on if it ends early? */
  async #prepare(address: string, folder: string, file: AnnouncedFile): Promise<void> {
    const { validator, total, startAt } = file
    const { partials } = this.#options.store
    const where = displayAddress(address)
    if (total !== undefined) {
      await assertRoom({ folder, bytes: total - startAt, doing: 'download the package', where })
    }
    if (validator === undefined) await partials.forget(folder)
    else {
      const of = { addressFingerprint: addressFingerprint(address), address: where, validator }
      await partials.note(folder, { ...of, ...(total !== undefined && { total }) })
    }
  }

  #downloading(signal: AbortSignal): DownloadOptions {
    const { fetch, clock, limits } = this.#options
    return { fetch, clock, limits, signal }
  }

  /** Before anything of it is unpacked: what is found out now cannot be found out without the zip. */
  async #prove(
    { model, address, expected, signature }: FetchRequest,
    zipFile: string,
    { bytes }: FileDigests,
    folder: string,
    signal: AbortSignal,
  ): Promise<PackageProof> {
    const isNamed = expected.sha256 !== undefined
    const named: PackageProof = { format: 1, ...(isNamed && { isNamed }) }
    const { require, keys } = this.#options.proof
    if (require !== 'signature') return named
    const from = signature ?? signatureAddress(address)
    const signatureText = await readSignature(model, from, folder, this.#downloading(signal))
    const proof = await checkSignature({
      file: zipFile,
      bytes,
      signatureText,
      where: displayAddress(from),
      subject: `the package of model '${model}'`,
      keys,
    })
    this.#options.log.info('model.signature-verified', { model, ...proof })
    return { ...named, signature: proof }
  }

  async #localBounds(model: string, file: string, signal: AbortSignal): Promise<StreamBounds> {
    const bounds = { bytesMax: this.#options.limits.packageBytesMax, where: file, signal }
    const { size } = await statPackage(model, file)
    if (size > bounds.bytesMax) throw tooLarge(bounds, size)
    return bounds
  }

  async #unpack(
    folder: string,
    zipFile: string,
    digests: FileDigests,
    way: { model: string; proof: PackageProof; where: string; signal: AbortSignal },
  ): Promise<StoredPackage> {
    const { store, limits, clock, log } = this.#options
    const { model, proof, where, signal } = way
    const finished = join(folder, 'package')
    await mkdir(finished)
    const unpacked = await unpackFrom(where, zipFile, join(finished, 'files'), limits, signal)
    const record: PackageRecord = {
      format: 1,
      ...digests,
      address: where,
      root: unpacked.root,
      files: unpacked.files,
      unpackedBytes: unpacked.bytes,
      unpackedAt: new Date(clock.now()).toISOString(),
    }
    await writeRecord(join(finished, 'proof.json'), proof)
    await writeRecord(join(finished, 'package.json'), record)
    signal.throwIfAborted()
    const stored = await store.install(finished, record, proof)
    log.info('model.stored', {
      model,
      address: where,
      sha256: digests.sha256,
      bytes: digests.bytes,
      files: unpacked.files,
      unpackedBytes: unpacked.bytes,
    })
    return stored
  }
}

/** Whether the rest may be had another time. */
function isWorthKeeping(thrown: unknown): boolean {
  return thrown instanceof EdgebootError
    ? thrown.code === 'MODEL_DOWNLOAD_FAILED'
    : !isSystemError(thrown)
}

/** Looks at a path that should be a zip or a folder. @throws `MODEL_NOT_FOUND` */
export async function statPackage(
  model: string,
  path: string,
): Promise<{ isFolder: boolean; size: number }> {
  const stats = await stat(path).catch((thrown: unknown) => {
    throw new EdgebootError('MODEL_NOT_FOUND', `model '${model}' is not at ${path}`, {
      details: { where: path, model },
      cause: thrown,
      fix: 'Correct modelAddress, or put the zip or the folder there.',
    })
  })
  if (!stats.isDirectory() && !stats.isFile()) {
    throw new EdgebootError(
      'MODEL_PACKAGE_INVALID',
      `model '${model}': ${path} is neither a file nor a folder`,
      { details: { where: path, model } },
    )
  }
  return { isFolder: stats.isDirectory(), size: stats.size }
}

/** Names the address, not the temporary file, which is gone when somebody reads the error. */
async function unpackFrom(
  where: string,
  zipFile: string,
  target: string,
  limits: ModelsSettings['limits'],
  signal: AbortSignal,
): ReturnType<typeof unpackZip> {
  try {
    return await unpackZip(zipFile, target, limits, signal)
  } catch (thrown) {
    if (!(thrown instanceof EdgebootError)) throw thrown
    const { code, message, cause, fix } = thrown
    throw new EdgebootError(code, message, { details: { ...thrown.details, where }, cause, fix })
  }
}

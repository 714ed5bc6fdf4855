import { existsSync } from 'node:fs'
import { mkdtemp, open, realpath, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import type { ModelsSettings } from '../../config/settings.ts'
import { EdgebootError } from '../../core/errors.ts'
import { detectEntry, type DetectedEntry, type ReadManifest } from '../detect-entry.ts'
import type { FileDigests } from '../digest.ts'
import { collectFiles, type CollectedFile } from '../pack/collect-files.ts'
import { pathKind } from '../path-kind.ts'
import { digestFile } from '../save-stream.ts'
import { asStoreError } from '../store-error.ts'
import { unpackZip } from '../unpack-zip.ts'
import { findHiddenFiles, type HiddenFiles } from './hidden-files.ts'
import { inspectFiles } from './inspect-files.ts'
import { mostSeriousFirst, type InspectionFinding } from './inspection.ts'
import type { Machine } from './machine.ts'

/** What is found out about a package without loading it. */
export interface PackageInspection {
  /** `file`: one file of a model, by itself. */
  readonly kind: 'zip' | 'folder' | 'file'
  /** How it would be started; absent when it cannot be. Its paths may be gone already. */
  readonly entry?: Pick<DetectedEntry, 'runtime' | 'format' | 'manifest'> & {
    /** In the package. */
    readonly file: string
  }
  readonly files: readonly Pick<CollectedFile, 'name' | 'bytes'>[]
  readonly bytes: number
  /** Of a zip or a file. */
  readonly digests?: FileDigests
  /** A signature that lies beside it. Whether it is good, `verify` tells. */
  readonly signatureFile?: string
  /** Files with samples, in the package. */
  readonly samples: readonly string[]
  /** The most serious first. */
  readonly findings: readonly InspectionFinding[]
}

/** What an inspection is held to, and for which machine. */
export interface InspectOptions {
  readonly readManifest: ReadManifest
  readonly limits: ModelsSettings['limits']
  readonly machine: Machine
  /** For messages; default: the name of the file or folder. */
  readonly name?: string
}

const nothingHidden: HiddenFiles = { files: [], findings: [] }

/** Zips that are one file of a model, not a package. */
const zippedFile = /\.(?:npz|pt|pth|keras|whl|mar|h5)$/i

/**
 * Looks into a package that nobody vouches for. Nothing of it is imported, unpickled or run. A zip
 * is unpacked into a temporary folder under all the limits that hold for a package, which is gone
 * when this resolves.
 *
 * @param path - Absolute; a zip, a folder, or one file of a model.
 * @returns Also for a package that would be refused: a finding then says why.
 * @throws `MODEL_NOT_FOUND` when there is nothing, `MODEL_STORE_FAILED` when it cannot be read.
 */
export async function inspectPackage(
  path: string,
  options: InspectOptions,
): Promise<PackageInspection> {
  try {
    const kind = await pathKind(path)
    if (kind === 'folder') return await inspectFolder(path, 'folder', options)
    if (kind === 'file') return await inspectOneFile(path, options)
  } catch (thrown) {
    throw asStoreError(thrown, 'inspect it', path)
  }
  throw new EdgebootError('MODEL_NOT_FOUND', `there is no ${path}`, {
    fix: 'Name a zip, a folder, or a model of the models folder.',
  })
}

async function inspectOneFile(path: string, options: InspectOptions): Promise<PackageInspection> {
  const { limits, machine } = options
  const digests = await digestFile(path, { bytesMax: limits.packageBytesMax, where: path })
  const signature = `${path}.minisig`
  const facts = {
    digests,
    ...((await pathKind(signature)) === 'file' ? { signatureFile: basename(signature) } : {}),
  }
  if (zippedFile.test(path) || !(await isZipFile(path))) {
    const real = await realpath(path)
    const { size: bytes } = await stat(real)
    const file = { name: basename(path), path: real, bytes, isExecutable: false }
    const bytesMax = limits.unpackedBytesMax
    const hasFile = (name: string): boolean => existsSync(join(dirname(path), name))
    const findings = await inspectFiles([file], { bytesMax, machine, hasFile })
    return { kind: 'file', ...facts, files: [file], bytes, samples: [], findings }
  }
  const temporary = await mkdtemp(join(tmpdir(), 'edgeboot-inspect-'))
  try {
    const { root } = await unpackZip(path, join(temporary, 'files'), limits)
    const folder = join(temporary, 'files', root)
    const named = { ...options, name: options.name ?? basename(path) }
    return { ...(await inspectFolder(folder, 'zip', named)), ...facts }
  } catch (thrown) {
    if (!(thrown instanceof EdgebootError)) throw thrown
    const findings = [{ level: 'danger' as const, text: thrown.message }]
    return { kind: 'zip', ...facts, files: [], bytes: 0, samples: [], findings }
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

/** Whether a file is a zip, or claims to be one by its name. */
export async function isZipFile(path: string): Promise<boolean> {
  if (path.toLowerCase().endsWith('.zip')) return true
  await using handle = await open(path, 'r')
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0)
  return buffer.toString('latin1', 0, bytesRead) === 'PK\u0003\u0004'
}

async function inspectFolder(
  folder: string,
  kind: 'zip' | 'folder',
  options: InspectOptions,
): Promise<PackageInspection> {
  const { limits, machine } = options
  const findings: InspectionFinding[] = []
  let entry: PackageInspection['entry']
  try {
    const found = await detectEntry(folder, options.name ?? basename(folder), options.readManifest)
    const { runtime, format, manifest, entryFile } = found
    const file = relative(found.folder, entryFile) || '.'
    entry = { runtime, format, file, ...(manifest === undefined ? {} : { manifest }) }
  } catch (thrown) {
    if (!(thrown instanceof EdgebootError)) throw thrown
    // Of a zip it is the temporary folder, which says nothing to anybody.
    const text = thrown.message.replaceAll(`${folder}/`, '').replaceAll(folder, 'the package')
    findings.push({ level: 'warn', text })
  }
  let collected
  try {
    // Of a zip everything: what begins with a dot is there for a model to load as well.
    collected = await collectFiles(folder, limits, { takesAll: kind === 'zip' })
  } catch (thrown) {
    if (!(thrown instanceof EdgebootError)) throw thrown
    findings.push({ level: 'danger', text: thrown.message })
    return { kind, ...(entry ? { entry } : {}), files: [], bytes: 0, samples: [], findings }
  }
  const { files, bytes } = collected
  const hidden = kind === 'zip' ? nothingHidden : await findHiddenFiles(folder, limits)
  const all = [...files, ...hidden.files]
  findings.push(...(await inspectFiles(all, { bytesMax: limits.unpackedBytesMax, machine })))
  findings.push(...hidden.findings)
  const samples = files.map(({ name }) => name).filter((name) => /^tests\/[^/]+\.json$/.test(name))
  const ordered = mostSeriousFirst(findings)
  return { kind, ...(entry ? { entry } : {}), files, bytes, samples, findings: ordered }
}

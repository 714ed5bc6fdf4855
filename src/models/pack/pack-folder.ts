import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { EdgebootError } from '../../core/errors.ts'
import type { FileDigests } from '../digest.ts'
import { digestFile } from '../save-stream.ts'
import { syncFolder } from '../unpack-zip.ts'
import { collectFiles, type CollectedFile } from './collect-files.ts'
import type { ModelsSettings } from '../../config/settings.ts'
import { writeStoredZip } from './stored-zip.ts'

/** A package that was made. */
export interface PackedFolder {
  /** Absolute. */
  readonly zipFile: string
  readonly digests: FileDigests
  readonly files: readonly CollectedFile[]
  /** All files together. */
  readonly unpackedBytes: number
  /** What is no part of a model and was left out. */
  readonly leftOut: readonly string[]
}

/**
 * Makes the zip of a folder: the same bytes for the same files on any machine. It is written beside
 * its place and renamed, so that a half is never there under its name; one that is there is replaced.
 *
 * @param folder - Absolute.
 * @param zipFile - Absolute; its folder must exist.
 * @throws `MODEL_PACKAGE_INVALID`, `MODEL_PACKAGE_TOO_LARGE`, and errors of the file system as they are.
 */
export async function packFolder(
  folder: string,
  zipFile: string,
  limits: ModelsSettings['limits'],
): Promise<PackedFolder> {
  const { files, bytes, leftOut } = await collectFiles(folder, limits)
  if (files.length === 0) {
    throw new EdgebootError('MODEL_PACKAGE_INVALID', 'there is no file to pack', {
      details: { where: folder },
    })
  }
  const temporary = join(dirname(zipFile), `.${basename(zipFile)}.${randomUUID()}`)
  try {
    // Closed before it is read and renamed.
    {
      await using output = await open(temporary, 'wx', 0o644)
      await writeStoredZip(files, output)
      await output.sync()
    }
    const digests = await digestFile(temporary, {
      bytesMax: limits.packageBytesMax,
      where: folder,
    })
    await rename(temporary, zipFile)
    await syncFolder(dirname(zipFile))
    return { zipFile, digests, files, unpackedBytes: bytes, leftOut }
  } finally {
    await rm(temporary, { force: true })
  }
}

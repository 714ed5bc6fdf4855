import { openPromise } from 'yauzl'
import { decodeEntryName } from '../entry-name.ts'

/** Entries of an archive within a package that are looked at. */
const entriesMax = 10_000

/** A file in an archive that lies in a package. */
export interface NestedFile {
  /** As its author wrote it: never used as a path. */
  readonly name: string
  /** As the archive says. */
  readonly bytes: number
  readonly open: () => Promise<AsyncIterable<Uint8Array>>
}

/**
 * Goes through the files of a zip that lies in a package (`.npz`, `.pt`, `.keras`) without
 * unpacking it.
 *
 * @returns Whether all of them were visited.
 * @throws What yauzl throws for a damaged one.
 */
export async function visitNestedZip(
  zipFile: string,
  visit: (file: NestedFile) => Promise<void>,
): Promise<boolean> {
  const zip = await openPromise(zipFile, { autoClose: false, decodeStrings: false })
  zip.on('error', () => {})
  try {
    let visited = 0
    for await (const entry of zip.eachEntry()) {
      if (visited >= entriesMax) return false
      visited += 1
      const name = decodeEntryName(
        entry.fileNameRaw,
        entry.generalPurposeBitFlag,
        entry.extraFields,
      )
      if (name.endsWith('/')) continue
      const open = async (): Promise<AsyncIterable<Uint8Array>> => {
        const content = await zip.openReadStreamPromise(entry)
        // One that fails before or after it is read is told by who reads it.
        content.on('error', () => {})
        return content as AsyncIterable<Uint8Array>
      }
      await visit({ name, bytes: entry.uncompressedSize, open })
    }
    return true
  } finally {
    zip.close()
  }
}

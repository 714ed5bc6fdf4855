import type { Dirent } from 'node:fs'
import { lstat, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { isNoPart, isVirtualEnvironment, type CollectedFile } from '../pack/collect-files.ts'
import type { UnpackLimits } from '../zip-plan.ts'
import type { InspectionFinding } from './inspection.ts'

/** What a package would not have of its folder, but a model could load from there. */
export interface HiddenFiles {
  readonly files: readonly CollectedFile[]
  /** What is not looked into, and why. */
  readonly findings: readonly InspectionFinding[]
}

/**
 * Finds the files of a folder that packing leaves out: those whose name, or that of a folder above
 * them, begins with a dot, and what Python keeps for itself. Links are not followed: what they lead
 * to within the folder is found by itself. Virtual environments are named and passed over.
 *
 * @param root - Absolute.
 */
export async function findHiddenFiles(
  root: string,
  limits: Pick<UnpackLimits, 'entriesMax' | 'unpackedBytesMax'>,
): Promise<HiddenFiles> {
  const search = new Search(await realpath(root), limits)
  await search.visit('', false)
  return search
}

class Search implements HiddenFiles {
  readonly files: CollectedFile[] = []
  readonly findings: InspectionFinding[] = []
  readonly #root: string
  #entriesLeft: number
  #bytesLeft: number

  constructor(
    root: string,
    { entriesMax, unpackedBytesMax }: Pick<UnpackLimits, 'entriesMax' | 'unpackedBytesMax'>,
  ) {
    this.#root = root
    this.#entriesLeft = entriesMax
    this.#bytesLeft = unpackedBytesMax
  }

  async visit(folder: string, isHidden: boolean): Promise<void> {
    const entries = await readdir(join(this.#root, folder), { withFileTypes: true })
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (this.#isFull) return
      this.#entriesLeft -= 1
      await this.#look(folder, entry, isHidden || isNoPart(entry.name))
      if (!this.#isFull) continue
      const text = 'there are more hidden files than are looked into'
      this.findings.push({ level: 'warn', text })
    }
  }

  get #isFull(): boolean {
    return this.#entriesLeft <= 0 || this.#bytesLeft <= 0
  }

  async #look(folder: string, entry: Dirent, isHidden: boolean): Promise<void> {
    const name = folder === '' ? entry.name : `${folder}/${entry.name}`
    const path = join(this.#root, name)
    if (entry.isDirectory()) {
      if (!(await isVirtualEnvironment(path))) return await this.visit(name, isHidden)
      const text = 'a virtual environment, which is neither packed nor looked into'
      this.findings.push({ level: 'warn', file: `${name}/`, text })
    } else if (isHidden && entry.isFile()) {
      const { size: bytes, mode } = await lstat(path)
      this.#bytesLeft -= bytes
      this.files.push({ name, path, bytes, isExecutable: (mode & 0o100) !== 0 })
    }
  }
}

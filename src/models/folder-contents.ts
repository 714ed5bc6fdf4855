import { createHash } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { byCodePoint } from '../core/by-code-point.ts'

/** Files and folders that are looked at; what a model has beyond that is left out. */
const entriesMax = 20_000
/** Deeper than any package; ends a link that leads back to where it lies. */
const depthMax = 32

/** What lies at a path, as far as it matters whether it changed. */
export interface FolderContents {
  /** Changes when a file is added, removed, written or replaced by one of another time or size. */
  readonly digest: string
  /** The folders that were looked at, the path itself included when it is one. */
  readonly folders: readonly string[]
}

/**
 * Looks at all files below a path, or at the one file that it is, by name, size and time of change;
 * nothing is read. Links are followed, so that a swapped link counts. Left out is what is not the
 * author's: names that begin with a dot, and `__pycache__`. A path that leads nowhere is empty.
 */
export async function folderContents(path: string): Promise<FolderContents> {
  const walk = new Walk()
  await walk.visit(path, '', 0)
  return { digest: walk.digest(), folders: walk.folders }
}

class Walk {
  readonly folders: string[] = []
  readonly #lines: string[] = []
  #entries = 0

  digest(): string {
    return createHash('sha256').update(this.#lines.join('\n')).digest('hex').slice(0, 16)
  }

  async visit(path: string, name: string, depth: number): Promise<void> {
    this.#entries += 1
    if (this.#entries > entriesMax || depth > depthMax) return
    // Gone since its folder was read, or a link that leads nowhere: as if it were not there.
    const stats = await stat(path, { bigint: true }).catch(() => undefined)
    if (stats === undefined) return
    if (!stats.isDirectory()) {
      this.#lines.push(JSON.stringify([name, String(stats.size), String(stats.mtimeNs)]))
      return
    }
    this.folders.push(path)
    const names = await readdir(path).catch(() => [])
    for (const entry of names.toSorted(byCodePoint)) {
      if (entry.startsWith('.') || entry === '__pycache__') continue
      await this.visit(join(path, entry), `${name}/${entry}`, depth + 1)
    }
  }
}

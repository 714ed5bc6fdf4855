import { stat } from 'node:fs/promises'

/** What a path leads to, links followed; `undefined` for nothing, or for what cannot be looked at. */
export async function pathKind(path: string): Promise<'file' | 'folder' | undefined> {
  try {
    const stats = await stat(path)
    return stats.isDirectory() ? 'folder' : stats.isFile() ? 'file' : undefined
  } catch {
    return undefined
  }
}

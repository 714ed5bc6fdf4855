import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Path of a file that is started as a child process or a thread.
 *
 * The sources run as `.ts`, the published package as `.js`, and `tsc` does not rewrite URLs:
 * the ending is that of the module which asks.
 *
 * @param path - Relative to the asking module and without its ending, such as `./thread-main`.
 * @param importMetaUrl - `import.meta.url` of the asking module.
 */
export function entryPath(path: string, importMetaUrl: string): string {
  const ending = extname(fileURLToPath(importMetaUrl))
  return fileURLToPath(new URL(path + ending, importMetaUrl))
}

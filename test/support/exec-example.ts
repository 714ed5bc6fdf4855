import { execFile } from 'node:child_process'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from './markdown.ts'
import { needs } from './requirements.ts'

/** The example in C, as it is in the repository: without its program. */
export const execExample = join(root, 'examples', 'models', 'exec-c')

/** Why the example in C cannot be built here. */
export const needsCompiler =
  needs('cc', 'apt-get install gcc libc6-dev') || needs('make', 'apt-get install make')

/**
 * Copies the example in C into a folder that is not there yet, and builds it.
 *
 * @param flags - For the compiler, instead of `-O2`.
 */
export async function buildExecExample(folder: string, flags?: string): Promise<void> {
  // What a developer has built by hand is not what is tested.
  await cp(execExample, folder, { recursive: true, filter: (path) => !path.endsWith('/model') })
  const chosen = flags === undefined ? [] : [`CFLAGS=${flags}`]
  await promisify(execFile)('make', ['-s', ...chosen], { cwd: folder })
}

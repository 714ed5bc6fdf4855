import { access } from 'node:fs/promises'
import { registerHooks } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { readApp } from '../boot/define-app.ts'
import type { Starter } from '../boot/starter.ts'
import { EdgebootError } from '../core/errors.ts'
import { entryPath } from '../core/entry.ts'

const fileNames = [
  'edgeboot.config.ts',
  'edgeboot.config.mts',
  'edgeboot.config.mjs',
  'edgeboot.config.js',
]

/**
 * The user's own starters: from the file that `--app` names, else from an `edgeboot.config.*` in
 * the working folder or beside the configuration.
 *
 * @returns Nothing when there is no such file.
 * @throws EdgebootError `CLI_APP_INVALID` when it cannot be loaded or says something else.
 */
export async function loadAppStarters(
  named: string | undefined,
  cwd: string,
  configFile: string,
): Promise<readonly Starter[]> {
  const file =
    named === undefined ? await findFile([cwd, dirname(configFile)]) : resolve(cwd, named)
  if (file === undefined) return []
  if (!(await isThere(file))) {
    throw new EdgebootError('CLI_APP_INVALID', `there is no file ${file}`, {
      details: { where: file },
      fix: 'Name a file that is there with --app.',
    })
  }
  const hooks = resolveSelfImport()
  let exported: { default?: unknown }
  try {
    exported = (await import(pathToFileURL(file).href)) as { default?: unknown }
  } catch (cause) {
    if (cause instanceof EdgebootError) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new EdgebootError('CLI_APP_INVALID', `${file} cannot be loaded: ${why}`, {
      cause,
      details: { where: file },
    })
  } finally {
    hooks.deregister()
  }
  return readApp(exported.default, file).starters
}

async function findFile(folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    for (const name of fileNames) {
      const file = join(folder, name)
      if (await isThere(file)) return file
    }
  }
  return undefined
}

function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

/** Lets `import … from 'edgeboot'` mean this very instance, wherever the file lies. */
function resolveSelfImport(): { deregister(): void } {
  const url = pathToFileURL(entryPath('../index', import.meta.url)).href
  return registerHooks({
    resolve: (specifier, context, nextResolve) =>
      specifier === 'edgeboot' ? { url, shortCircuit: true } : nextResolve(specifier, context),
  })
}

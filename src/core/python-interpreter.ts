/** Which Python runs a model: the same answer for who runs it and who installs what it needs. */
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { EdgebootError } from './errors.ts'

/** Where programs are looked for when the environment names no PATH. */
const pathDefault = '/usr/local/bin:/usr/bin:/bin'

/** What is known of a model that wants an interpreter. */
export interface PythonRequest {
  readonly model: string
  /** Absolute folder of the model. */
  readonly folder: string
  /** In the order in which they count; the first that is there is the only one tried. */
  readonly named: readonly (string | undefined)[]
  /** Of the model; its PATH is searched. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * The interpreter for a model: the one that is named, by a path (relative to the package) or a name
 * on the PATH, else the package's own virtual environment (`.venv/bin/python`), else `python3` on
 * the PATH.
 *
 * @returns An absolute path of something that may be executed.
 * @throws RUNNER_INTERPRETER_MISSING naming everything that was tried.
 */
export function findPython({ model, folder, named, env }: PythonRequest): string {
  const name = named.find((candidate) => candidate !== undefined)
  const candidates =
    name === undefined
      ? [join(folder, '.venv', 'bin', 'python'), ...onPath('python3', env['PATH'])]
      : name.includes('/')
        ? [resolve(folder, name)]
        : onPath(name, env['PATH'])
  const found = candidates.find(isExecutable)
  if (found !== undefined) return found
  throw new EdgebootError(
    'RUNNER_INTERPRETER_MISSING',
    `no Python interpreter for model "${model}": tried ${candidates.join(', ')}`,
    { details: { model, tried: candidates } },
  )
}

function onPath(program: string, path = pathDefault): string[] {
  const folders = path.split(delimiter).filter((folder) => folder !== '')
  return folders.map((folder) => join(folder, program))
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

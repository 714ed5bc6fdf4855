import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EdgebootError } from '../core/errors.ts'
import type { RunnerOptions } from './carried-runner.ts'
import { createProcessRunner, type ProcessCommand } from './process-runner.ts'
import type { Runner, RunnerListener, RunnerSpec } from './runner.ts'
import { parsePythonStacks } from './stack-dump.ts'

/** The Python end of the frame protocol; sources and published package have it in one place. */
const pythonWorkerFile = fileURLToPath(new URL('../../python/edgeboot_worker.py', import.meta.url))

/** Where programs are looked for when the environment names no PATH. */
const pathDefault = '/usr/local/bin:/usr/bin:/bin'

/** A runner for a Python model: a child process of the interpreter that the spec asks for. */
export function createPythonRunner(
  spec: RunnerSpec,
  listener: RunnerListener,
  options: RunnerOptions,
): Runner {
  const readable = { ...spec, env: withUtf8Locale(spec.env) }
  return createProcessRunner(readable, listener, options, () => pythonCommand(spec))
}

function pythonCommand(spec: RunnerSpec): ProcessCommand {
  const { folder } = spec.model
  return {
    command: findPython(spec),
    args: [pythonWorkerFile, spec.pipeline],
    parseStacks: (dump) => parsePythonStacks(dump, folder, pythonWorkerFile),
  }
}

/**
 * Python 3.6 opens no file with a Chinese name in the C locale; later ones help themselves in the
 * same way.
 */
function withUtf8Locale(env: Readonly<Record<string, string>>): Record<string, string> {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || 'C'
  if (locale !== 'C' && locale !== 'POSIX') return env
  return { ...env, [env['LC_ALL'] ? 'LC_ALL' : 'LC_CTYPE']: 'C.UTF-8' }
}

/**
 * The interpreter for a model: the one that the spec names, else the package's own virtual
 * environment (`.venv/bin/python`), else `python3` on the PATH of the model's environment. One that
 * is named is the only one tried.
 *
 * @returns An absolute path of something that may be executed.
 * @throws RUNNER_INTERPRETER_MISSING naming everything that was tried.
 */
function findPython(spec: Pick<RunnerSpec, 'model' | 'env' | 'python'>): string {
  const { folder, name } = spec.model
  const candidates =
    spec.python === undefined
      ? [join(folder, '.venv', 'bin', 'python'), ...onPath('python3', spec.env)]
      : spec.python.includes('/')
        ? [resolve(folder, spec.python)]
        : onPath(spec.python, spec.env)
  const found = candidates.find(isExecutable)
  if (found !== undefined) return found
  throw new EdgebootError(
    'RUNNER_INTERPRETER_MISSING',
    `no Python interpreter for model "${name}": tried ${candidates.join(', ')}`,
    { details: { model: name, tried: candidates } },
  )
}

function onPath(program: string, env: Readonly<Record<string, string>>): string[] {
  const folders = (env['PATH'] ?? pathDefault).split(delimiter).filter((folder) => folder !== '')
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

import { fileURLToPath } from 'node:url'
import { findPython } from '../core/python-interpreter.ts'
import type { RunnerOptions } from './carried-runner.ts'
import { createProcessRunner, type ProcessCommand } from './process-runner.ts'
import type { Runner, RunnerListener, RunnerSpec } from './runner.ts'
import { parsePythonStacks } from './stack-dump.ts'

/** The Python end of the frame protocol; sources and published package have it in one place. */
const pythonWorkerFile = fileURLToPath(new URL('../../python/edgeboot_worker.py', import.meta.url))

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
  const { folder, name, python, manifest } = spec.model
  // What was built for its requirements was built with the interpreter that the rest names.
  const named = [python, spec.python, manifest?.python, spec.env['EDGEBOOT_PYTHON']]
  return {
    command: findPython({ model: name, folder, named, env: spec.env }),
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

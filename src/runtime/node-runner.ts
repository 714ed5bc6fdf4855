import { entryPath } from '../core/entry.ts'
import type { RunnerOptions } from './carried-runner.ts'
import { createProcessRunner } from './process-runner.ts'
import type { Runner, RunnerListener, RunnerSpec } from './runner.ts'

/** SIGUSR1 would open a port for debuggers. */
const nodeArguments = ['--disable-sigusr1']

/**
 * A runner that is a child process of Node: models that a native library runs, which may take its
 * process with it. Says nothing of what it does when it is interrupted: that is in the library.
 */
export function createNodeRunner(
  spec: RunnerSpec,
  listener: RunnerListener,
  options: RunnerOptions,
): Runner {
  return createProcessRunner(spec, listener, options, () => ({
    command: process.execPath,
    args: [...nodeArguments, entryPath('./node-main', import.meta.url), spec.pipeline],
  }))
}

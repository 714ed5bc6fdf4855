import { EdgebootError } from '../../core/errors.ts'
import type { RunnerOptions } from '../carried-runner.ts'
import { createProcessRunner, type ProcessCommand } from '../process-runner.ts'
import type { Runner, RunnerListener, RunnerSpec } from '../runner.ts'
import { faultOfProgram } from './program-file.ts'

/** A runner for a program of the package that speaks the frame protocol: `docs/runner-protocol.md`. */
export function createExecRunner(
  spec: RunnerSpec,
  listener: RunnerListener,
  options: RunnerOptions,
): Runner {
  return createProcessRunner(spec, listener, options, () => programOf(spec))
}

/** @throws MODEL_FILE_INVALID, RUNNER_INTERPRETER_MISSING */
function programOf({ model }: RunnerSpec): ProcessCommand {
  const { entryFile, name, version, manifest } = model
  const fault = faultOfProgram(entryFile)
  if (fault === undefined) return { command: entryFile, args: manifest?.args ?? [] }
  throw new EdgebootError(
    fault.interpreterMissing ? 'RUNNER_INTERPRETER_MISSING' : 'MODEL_FILE_INVALID',
    `model "${name}" (${version}) could not be started: ${entryFile} ${fault.text}`,
    { details: { where: entryFile, model: name }, fix: fault.fix },
  )
}

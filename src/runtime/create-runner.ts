import { runsInPython } from '../core/model-kinds.ts'
import type { RunnerOptions } from './carried-runner.ts'
import { createExecRunner } from './exec/exec-runner.ts'
import { createInlineRunner } from './inline-runner.ts'
import { createNodeRunner } from './node-runner.ts'
import { createPythonRunner } from './python-runner.ts'
import type { Runner, RunnerListener, RunnerSpec } from './runner.ts'
import { createThreadRunner } from './thread-runner.ts'

/** How a runner is made, besides what it runs. */
export interface CreateRunnerOptions extends RunnerOptions {
  /** Runs a JavaScript model inside the host (`workers: 0`). Without meaning for others. */
  readonly inline?: boolean
}

/** Makes the runner that a model's runtime asks for. Acquires nothing until it is started. */
export function createRunner(
  spec: RunnerSpec,
  listener: RunnerListener,
  options: CreateRunnerOptions,
): Runner {
  switch (spec.model.runtime) {
    case 'python':
      return createPythonRunner(spec, listener, options)
    case 'tensorflow':
      return runsInPython(spec.model)
        ? createPythonRunner(spec, listener, options)
        : createThreadRunner(spec, listener, options)
    case 'javascript':
      return options.inline
        ? createInlineRunner(spec, listener, options)
        : createThreadRunner(spec, listener, options)
    case 'onnx':
      return createNodeRunner(spec, listener, options)
    case 'wasm':
      return createThreadRunner(spec, listener, options)
    case 'exec':
      return createExecRunner(spec, listener, options)
  }
}

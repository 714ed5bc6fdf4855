import { statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import { EdgebootError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { faultOfProgram } from '../../runtime/exec/program-file.ts'
import type { RunnerSpec } from '../../runtime/runner.ts'
import { runnerEnvironment } from '../../runtime/worker-environment.ts'
import type { CommandIo } from '../command-io.ts'
import { escapedText } from '../escaped-text.ts'
import { Bench } from './conformance/bench.ts'
import { checks } from './conformance/checks.ts'
import { runChecks, type CheckResult } from './conformance/run-checks.ts'
import { Interruption } from './interruption.ts'
import { parseParams, parseTimeout } from './flag-values.ts'
import { readEventsOf } from './read-events-of.ts'

const help = `
For who writes a model in another language (runtime: exec). Starts the program in the current folder, as
a pipeline would, once for each check, and tries on it what docs/runner-protocol.md asks for: one
line each, with what was seen and the section that says how it should be. Put -- before the program.

Events that the model answers differently, given with --input, let a mix-up of answers be seen; without
it they are {"index": 0, "value": 20, "text": "event 0"} and so on. An error is a good answer.

PASS  it does                        FAIL  it does otherwise, or too late
SKIP  it was not tried, because what it needs has failed

Exit status: 0 when all checks passed, else 1.

Examples:
  edgeboot model conformance -- ./my-model
  edgeboot model conformance --input day.ndjson --params '{"limit": 4}' -- ./my-model --fast
  edgeboot model conformance --json -- python3 model.py`

interface ConformanceFlags {
  readonly input?: string
  readonly params?: Record<string, unknown>
  readonly timeout?: number
  readonly startTimeout?: number
  readonly json?: boolean
}

/** Adds `edgeboot model conformance`. */
export function addConformanceCommand(model: Command, io: CommandIo): void {
  model
    .command('conformance')
    .summary('hold a program against the runner protocol')
    .description('Tries on a program what the runner protocol asks of it.')
    .argument('<program...>', 'the program, and its arguments')
    .option('-i, --input <file>', 'events for it, as for run; - is standard input')
    .option('--params <json>', 'parameters that it is started with', parseParams)
    .option('--timeout <time>', 'for answers (default: 10s)', parseTimeout)
    .option('--start-timeout <time>', 'for loading the model (default: 2m)', parseTimeout)
    .option('--json', 'one JSON document')
    .addHelpText('after', help)
    .action((program: string[], flags: ConformanceFlags) => conformance(program, flags, io))
}

async function conformance(
  [program = '', ...args]: readonly string[],
  flags: ConformanceFlags,
  io: CommandIo,
): Promise<void> {
  const command = commandOf(program, io)
  const events = flags.input === undefined ? [] : await readEventsOf(flags.input, io)
  const { timeout = limits.eventMs, startTimeout = limits.runnerStartMs } = flags
  const spec = specOf(command, flags.params ?? {}, io)
  const options = { command, args, spec, startMs: startTimeout, answerMs: timeout }
  const bench = new Bench(options, events)
  // The program has a process group of its own, which Ctrl-C does not reach.
  using interruption = new Interruption((code) => io.exit(code))
  interruption.signal.addEventListener('abort', () => bench.end())
  const results: CheckResult[] = []
  for await (const result of runChecks(checks, bench)) {
    if (bench.isEnded) return
    results.push(result)
    if (flags.json !== true) io.stdout(lineOf(result))
  }
  report(results, flags.json === true, io)
}

/** What is not there is a slip of who typed it; what cannot be started is said in full. */
function commandOf(program: string, io: CommandIo): string {
  if (!program.includes('/')) return program
  const file = resolve(io.cwd, program)
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new EdgebootError('CLI_USAGE', `there is no program ${program}`, {
      details: { where: file },
      fix: 'Name a program after --, such as ./my-model, or one on the PATH.',
    })
  }
  const fault = faultOfProgram(file)
  if (fault === undefined) return file
  const code = fault.interpreterMissing ? 'RUNNER_INTERPRETER_MISSING' : 'MODEL_FILE_INVALID'
  throw new EdgebootError(code, `${program} ${fault.text}`, {
    details: { where: file },
    fix: fault.fix,
  })
}

/** What a program is told that lies in the current folder. */
function specOf(command: string, params: Record<string, unknown>, io: CommandIo): RunnerSpec {
  const model = {
    name: basename(command),
    version: 'folder',
    runtime: 'exec',
    format: 'program',
    folder: io.cwd,
    entryFile: resolve(io.cwd, command),
    modelsFolder: dirname(io.cwd),
  } as const
  const env = runnerEnvironment(io.env)
  return { pipeline: 'conformance', rule: 'conformance', model, params, env }
}

const words = { pass: 'PASS', fail: 'FAIL', skip: 'SKIP' } as const

function lineOf({ status, title, seen, section }: CheckResult): string {
  return `${words[status]}  ${title}: ${escapedText(seen)}  [${section}]\n`
}

function report(results: readonly CheckResult[], isJson: boolean, io: CommandIo): void {
  const count = (status: CheckResult['status']): number =>
    results.filter((result) => result.status === status).length
  const [passed, failed, skipped] = [count('pass'), count('fail'), count('skip')]
  if (isJson) {
    io.stdout(`${JSON.stringify({ passed, failed, skipped, checks: results }, undefined, 2)}\n`)
  } else {
    const more = skipped === 0 ? '' : `, ${skipped} not tried`
    io.stdout(`\n${results.length} checks: ${passed} passed, ${failed} failed${more}\n`)
    if (failed > 0) io.stdout('What is asked for: docs/runner-protocol.md, at the section in [].\n')
  }
  if (failed > 0) io.exit(1)
}

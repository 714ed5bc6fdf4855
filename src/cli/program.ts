import { Command, CommanderError } from 'commander'
import { describeError, asEdgebootError } from '../core/errors.ts'
import { addChaosCommand } from './chaos.ts'
import type { CommandIo } from './command-io.ts'
import { addDemoCommand } from './demo.ts'
import { addDlqCommand } from './dlq.ts'
import { addExplainCommand } from './explain.ts'
import { addMigrateCommand } from './migrate.ts'
import { addModelCommand } from './model.ts'
import { addRunCommand } from './run.ts'
import { addSchemaCommand } from './schema.ts'
import { addValidateCommand } from './validate.ts'

const introduction =
  'Runs scientific and machine-learning models at the edge: subscribes to MQTT telemetry, gives ' +
  'each message to the models that want it, and publishes what they answer. Configurations and ' +
  'Python models of pyboot run unchanged.'

const closing = `
Examples:
  edgeboot demo                          see it work: nothing to install, nothing to configure
  edgeboot validate conf/config.yaml     find every mistake without starting anything
  edgeboot run --config conf/config.yaml
  edgeboot explain --topic plant/pump-1  why a result does not come
  edgeboot dlq list                      what was given up, and why
  edgeboot model run my-model            try a model on this machine, without a broker

Exit status: 0 fine, 1 failure, 2 usage, 3 invalid configuration, 4 cannot connect or listen,
5 loss detected.`

/** All commands, on one program. */
export function createProgram(io: CommandIo, version: string): Command {
  const program = new Command('edgeboot')
    .description(introduction)
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .option('--debug', 'print stack traces with errors')
    .addHelpText('after', closing)
    .showSuggestionAfterError()
    .showHelpAfterError('  fix: Run the command with --help to see what it takes.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout(text), writeErr: (text) => io.stderr(text) })
  addRunCommand(program, io, version)
  addValidateCommand(program, io)
  addExplainCommand(program, io)
  addDlqCommand(program, io)
  addModelCommand(program, io)
  addSchemaCommand(program, io)
  addMigrateCommand(program, io)
  addDemoCommand(program, io, version)
  addChaosCommand(program, io)
  return program
}

/**
 * Runs one command line.
 *
 * @param args - Without the program's own name.
 * @returns The exit status of DESIGN section 11.
 */
export async function runProgram(
  args: readonly string[],
  io: CommandIo,
  version: string,
): Promise<number> {
  let status = 0
  const observed: CommandIo = { ...io, exit: (code) => (status = code) }
  const program = createProgram(observed, version)
  try {
    await program.parseAsync(args, { from: 'user' })
    return status
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      // Help and version end in an "error" too, with status 0.
      return thrown.exitCode === 0 ? 0 : 2
    }
    const debug = args.includes('--debug')
    io.stderr(`${describeError(thrown, { debug })}\n`)
    return asEdgebootError(thrown).exitCode
  }
}

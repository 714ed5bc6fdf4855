import type { Command } from 'commander'
import type { CommandIo } from './command-io.ts'
import { addActivateCommand } from './model/activate.ts'
import { addConformanceCommand } from './model/conformance.ts'
import { addGcCommand } from './model/gc.ts'
import { addInspectCommand } from './model/inspect.ts'
import { addListCommand } from './model/list.ts'
import { addPackCommand } from './model/pack.ts'
import { addTrialCommand } from './model/run.ts'
import { addPullCommand } from './model/pull.ts'
import { addRollbackCommand } from './model/rollback.ts'
import { addSignCommand } from './model/sign.ts'
import { addVerifyCommand } from './model/verify.ts'

/**
 * The commands of the group, in the order of its help: each adds itself. One file for each in
 * `model/`.
 */
const commands: readonly ((model: Command, io: CommandIo) => void)[] = [
  addPackCommand,
  addInspectCommand,
  addTrialCommand,
  addConformanceCommand,
  addListCommand,
  addSignCommand,
  addVerifyCommand,
  addPullCommand,
  addActivateCommand,
  addRollbackCommand,
  addGcCommand,
]

const help = `
A model package is a folder, or a zip of one. The store, .edgeboot in the models folder, has every
version that was ever activated; a model in a folder of its own beside it is used where it lies.

None of these needs a broker or a running instance; activate and rollback tell one that runs. Where a
models folder is needed, it is that of --config (default: conf/config.yaml), or the one that --models
names.`

/** Adds `edgeboot model`. */
export function addModelCommand(program: Command, io: CommandIo): void {
  const model = program
    .command('model')
    .summary('make, look into, try out and keep model packages')
    .description('Makes model packages, looks into them, tries them out, and keeps the store.')
    .addHelpText('after', help)
  for (const add of commands) add(model, io)
}

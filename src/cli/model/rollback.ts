import type { Command } from 'commander'
import type { CommandIo } from '../command-io.ts'
import { addChangeOptions, changeVersion, type ChangeFlags } from './change-version.ts'

const help = `
The version that serves now is held back: it is not chosen again, not after a restart either, until somebody
activates it. The version before takes its place; edgeboot model list shows both. A running instance
exchanges the pipelines of the model at once; else the next start does.

Examples:
  edgeboot model rollback threshold
  edgeboot model rollback threshold --reason 'alarms for every pump since 02:10'`

interface RollbackFlags extends ChangeFlags {
  readonly reason?: string
}

/** Adds `edgeboot model rollback`. */
export function addRollbackCommand(model: Command, io: CommandIo): void {
  const command = model
    .command('rollback')
    .summary('go back to the version that served before')
    .description('Goes back to the version of a model that served before, and holds this one back.')
    .argument('<name>', 'the model')
    .option('--reason <text>', 'why: it is kept with the version, for whoever comes next')
    .addHelpText('after', help)
  addChangeOptions(command).action(async (name: string, flags: RollbackFlags) => {
    const { reason } = flags
    await changeVersion(
      {
        model: name,
        path: 'rollback',
        body: reason === undefined ? {} : { reason },
        record: async ({ store }) => (await store.versions.rollback(name, reason)).active,
      },
      flags,
      io,
    )
  })
}

import type { Command } from 'commander'
import { readManifest } from '../../config/manifest/read-manifest.ts'
import { EdgebootError } from '../../core/errors.ts'
import { findVersion } from '../../models/find-version.ts'
import { listStore } from '../../models/store-listing.ts'
import type { CommandIo } from '../command-io.ts'
import { addChangeOptions, changeVersion, type ChangeFlags } from './change-version.ts'

const help = `
The version is pinned: it serves whatever the address has, until --unpin, a rollback, or a digest in the
configuration that says otherwise. A version that was held back is free again by that. A running instance
exchanges the pipelines of the model at once, without a gap in its messages; else the next start does.

Examples:
  edgeboot model activate threshold 1.4.0
  edgeboot model activate threshold 9f86d081      the first digits of its SHA-256: edgeboot model list
  edgeboot model activate threshold --unpin       the configuration decides again`

interface ActivateFlags extends ChangeFlags {
  readonly unpin?: boolean
}

/** Adds `edgeboot model activate`. */
export function addActivateCommand(model: Command, io: CommandIo): void {
  const command = model
    .command('activate')
    .summary('let a version of the store serve')
    .description('Lets a version of a model serve that is in the store, and pins it.')
    .argument('<name>', 'the model')
    .argument('[version]', 'its version, or the first digits of its SHA-256')
    .option('--unpin', 'leave the choice to the configuration again')
    .addHelpText('after', help)
  addChangeOptions(command).action(
    async (name: string, version: string | undefined, flags: ActivateFlags) => {
      if ((version === undefined) !== (flags.unpin === true)) {
        throw new EdgebootError('CLI_USAGE', 'name a version, or give --unpin', {
          fix: 'edgeboot model list shows the versions.',
        })
      }
      await changeVersion(
        {
          model: name,
          path: 'activate',
          body: { version: version ?? null },
          record: async ({ store }, folder) => {
            if (version === undefined) {
              await store.versions.unpin(name)
              return undefined
            }
            const found = findVersion(await listStore(folder, readManifest), name, version)
            return (await store.versions.activate(name, found)).pinned
          },
        },
        flags,
        io,
      )
    },
  )
}

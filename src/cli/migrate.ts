import { writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import { migrateDocument } from '../config/migrate.ts'
import { EdgebootError } from '../core/errors.ts'
import type { CommandIo } from './command-io.ts'

const help = `
Reads any form of pyboot's configuration and prints the native form, which means
the same. pyboot's files also run as they are: migrating is for reading and
changing them. \${VARIABLES} stay variables; comments are not carried over.

Paths in a configuration are relative to its folder: keep the result in the
folder of the original.

Examples:
  edgeboot migrate conf/config.yaml
  edgeboot migrate conf/config.yaml --output conf/edgeboot.yaml`

/** Adds `edgeboot migrate`. */
export function addMigrateCommand(program: Command, io: CommandIo): void {
  program
    .command('migrate')
    .summary('print the native form of a pyboot configuration')
    .description('Prints the native form of a pyboot configuration.')
    .argument('<file>', 'configuration to read')
    .option(
      '-o, --output <file>',
      'write to this file, which must not exist yet, instead of printing',
    )
    .addHelpText('after', help)
    .action((file: string, options: { output?: string }) => {
      const text = migrateDocument(file, { env: io.env, cwd: io.cwd })
      if (options.output === undefined) {
        io.stdout(text)
        return
      }
      writeNew(resolve(io.cwd, options.output), text)
      io.stderr(`${options.output}: written\n`)
      if (dirname(resolve(io.cwd, options.output)) !== dirname(resolve(io.cwd, file))) {
        io.stderr(
          `${options.output}: relative paths in it now start from another folder than before\n`,
        )
      }
    })
}

/** Writes a file that is not there yet: a configuration is not overwritten by a slip. */
function writeNew(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx' })
  } catch (thrown) {
    const exists = thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST'
    const why = exists ? 'it exists already' : (thrown as Error).message
    throw new EdgebootError('CLI_USAGE', `${file} cannot be written: ${why}`, {
      details: { where: file },
      cause: thrown,
      fix: 'Name a file that does not exist yet, in a folder that does.',
    })
  }
}

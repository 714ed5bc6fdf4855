import type { Command } from 'commander'
import { configJsonSchema } from '../config/schema.ts'
import type { CommandIo } from './command-io.ts'

const help = `
Editors that know JSON Schema complete keys and explain them. With the YAML
language server (VS Code, Neovim, …), begin a configuration with:
  # yaml-language-server: $schema=edgeboot.schema.json

Example:
  edgeboot schema > edgeboot.schema.json`

/** Adds `edgeboot schema`. */
export function addSchemaCommand(program: Command, io: CommandIo): void {
  program
    .command('schema')
    .summary('print the JSON Schema of the configuration')
    .description('Prints the JSON Schema of the native form of the configuration.')
    .addHelpText('after', help)
    .action(() => {
      io.stdout(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`)
    })
}

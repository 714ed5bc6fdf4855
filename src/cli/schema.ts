import type { Command } from 'commander'
import { manifestJsonSchema } from '../config/manifest/manifest-schema.ts'
import { configJsonSchema } from '../config/schema.ts'
import type { CommandIo } from './command-io.ts'

interface SchemaFlags {
  readonly model?: boolean
}

const help = `
Editors that know JSON Schema complete keys and explain them. With the YAML
language server (VS Code, Neovim, …), begin a configuration or a model.yaml with:
  # yaml-language-server: $schema=edgeboot.schema.json

Examples:
  edgeboot schema > edgeboot.schema.json
  edgeboot schema --model > model.schema.json     for the model.yaml of packages`

/** Adds `edgeboot schema`. */
export function addSchemaCommand(program: Command, io: CommandIo): void {
  program
    .command('schema')
    .summary('print the JSON Schema of the configuration, or of model.yaml')
    .description(
      'Prints the JSON Schema of the native form of the configuration, or with --model that of the manifest of a model package, model.yaml.',
    )
    .option('--model', 'the schema of model.yaml')
    .addHelpText('after', help)
    .action(({ model }: SchemaFlags) => {
      const schema = model === true ? manifestJsonSchema() : configJsonSchema()
      io.stdout(`${JSON.stringify(schema, undefined, 2)}\n`)
    })
}

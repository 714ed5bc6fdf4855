import { realpath } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import type { Command } from 'commander'
import { EdgebootError } from '../../core/errors.ts'
import { modelNameFault } from '../../core/model-name.ts'
import { readManifest } from '../../config/manifest/read-manifest.ts'
import { detectEntry, type DetectedEntry } from '../../models/detect-entry.ts'
import { packFolder, type PackedFolder } from '../../models/pack/pack-folder.ts'
import { pathKind } from '../../models/path-kind.ts'
import { readSamples } from '../../models/read-samples.ts'
import type { CommandIo } from '../command-io.ts'
import { sizeText } from '../text-table.ts'
import { kindText } from './kind-text.ts'
import { findModelsPlaceOrDefaults, type ModelsPlaceFlags } from './models-place.ts'

/** Left-out files that are named one by one. */
const namedMax = 5

const help = `
The same files give the same bytes, on any machine and in any order, so the SHA-256 names the content.
For that, files are stored and not compressed. Left out: names that begin with a dot, __pycache__,
*.pyc and virtual environments. Refused: what unpacking would refuse, such as a link out of the folder.

Examples:
  edgeboot model pack my-model                     my-model-1.4.0.zip, by the version in its model.yaml
  edgeboot model pack my-model -o dist/model.zip   a name of your own
  edgeboot model pack my-model --json              the digests for a program`

interface PackFlags extends ModelsPlaceFlags {
  readonly output?: string
  readonly json?: boolean
}

/** Adds `edgeboot model pack`. */
export function addPackCommand(model: Command, io: CommandIo): void {
  model
    .command('pack')
    .summary('make a package of a folder')
    .description('Checks a folder that holds a model, and makes a zip of it.')
    .argument('<folder>', 'the folder with the model')
    .option('-o, --output <file>', 'the zip (default: NAME-VERSION.zip here)')
    .option('-c, --config <file>', 'a configuration whose models.limits are to hold')
    .option('--json', 'print one JSON document instead')
    .addHelpText('after', help)
    .action(async (folder: string, flags: PackFlags) => {
      const root = await modelFolder(resolve(io.cwd, folder), folder)
      const name = basename(root)
      const entry = await detectEntry(root, name, readManifest)
      // A mistake in them would be found before every take-over otherwise.
      const samples = await readSamples({ ...entry, name })
      const output = await outputFile(root, entry, flags.output, io.cwd)
      const { limits } = findModelsPlaceOrDefaults(flags, io).models
      const packed = await packFolder(root, output, limits)
      const facts = {
        name: nameOf(entry),
        version: entry.manifest?.version,
        samples: samples.length,
      }
      if (flags.json === true)
        io.stdout(`${JSON.stringify(toJson(packed, entry, facts), null, 2)}\n`)
      else print(packed, entry, facts, io)
    })
}

async function modelFolder(path: string, given: string): Promise<string> {
  const kind = await pathKind(path)
  if (kind === 'folder') return await realpath(path)
  const what = kind === undefined ? 'there is no folder' : 'not a folder but a file:'
  throw new EdgebootError('CLI_USAGE', `${what} ${given}`, {
    fix: 'Name the folder that holds the model: edgeboot model pack FOLDER.',
  })
}

function nameOf({ manifest, folder }: DetectedEntry): string {
  return manifest?.name ?? basename(folder)
}

async function outputFile(
  root: string,
  entry: DetectedEntry,
  named: string | undefined,
  cwd: string,
): Promise<string> {
  const version = entry.manifest?.version
  const name = `${nameOf(entry)}${version === undefined ? '' : `-${version}`}.zip`
  // Beside the folder for one who stands in it.
  const standsIn = isWithin(root, await realpath(cwd))
  const file =
    named === undefined ? join(standsIn ? dirname(root) : cwd, name) : resolve(cwd, named)
  const folder = await realpath(dirname(file)).catch(() => undefined)
  if (folder === undefined || (await pathKind(file)) === 'folder') {
    const what =
      folder === undefined ? `there is no folder ${dirname(file)}` : `${file} is a folder`
    throw new EdgebootError('CLI_USAGE', `the package cannot be written: ${what}`, {
      fix: 'Name a file in a folder that is there with --output.',
    })
  }
  if (isWithin(root, folder)) {
    throw new EdgebootError('CLI_USAGE', `${file} lies in the folder that is packed`, {
      fix: 'Write the package elsewhere with --output, or the next one would hold it.',
    })
  }
  return join(folder, basename(file))
}

function isWithin(root: string, path: string): boolean {
  return path === root || path.startsWith(root + sep)
}

interface Facts {
  readonly samples: number
  readonly name: string
  readonly version: string | undefined
}

function toJson(packed: PackedFolder, entry: DetectedEntry, facts: Facts): Record<string, unknown> {
  const { digests } = packed
  return {
    file: packed.zipFile,
    ...facts,
    runtime: entry.runtime,
    format: entry.format,
    entry: relative(entry.folder, entry.entryFile),
    files: packed.files.length,
    unpackedBytes: packed.unpackedBytes,
    bytes: digests.bytes,
    sha256: digests.sha256,
    md5: base64(digests.md5),
    leftOut: packed.leftOut,
  }
}

function print(packed: PackedFolder, entry: DetectedEntry, facts: Facts, io: CommandIo): void {
  const { digests, files, leftOut } = packed
  const shown = relative(io.cwd, packed.zipFile)
  const lines = [
    ['name', facts.name],
    ['version', facts.version ?? 'none'],
    ['kind', `${kindText(entry)}, ${relative(entry.folder, entry.entryFile) || '.'}`],
    ['files', `${files.length}, ${sizeText(packed.unpackedBytes)}`],
    ['samples', String(facts.samples)],
    ['sha256', digests.sha256],
    ['md5', base64(digests.md5)],
  ]
  io.stdout(`${shown}  ${sizeText(digests.bytes)}\n\n`)
  for (const [word, value] of lines) io.stdout(`  ${word?.padEnd(9)}${value}\n`)
  io.stdout(
    `\nIn a configuration:\n\n  funcs:\n    - modelName: ${facts.name}\n` +
      `      modelAddress: https://HOST/${basename(packed.zipFile)}\n` +
      `      modelSha256: ${digests.sha256}\n`,
  )
  if (leftOut.length > 0) {
    const more = leftOut.length > namedMax ? ` and ${leftOut.length - namedMax} more` : ''
    io.stderr(`left out: ${leftOut.slice(0, namedMax).join(', ')}${more}\n`)
  }
  if (facts.version === undefined) {
    io.stderr(
      'warning: the package has no version: its logs will show the beginning of its SHA-256; ' +
        'write `version: 1.0.0` into model.yaml\n',
    )
  }
  const fault = modelNameFault(facts.name)
  if (fault !== undefined) {
    io.stderr(`warning: ${JSON.stringify(facts.name)} is no model name: it ${fault}\n`)
  }
}

/** As pyboot's configurations carry it. */
function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}

import { spawnSync } from 'node:child_process'
import type { Command } from 'commander'
import { readManifest } from '../../config/manifest/read-manifest.ts'
import { thisMachine } from '../../models/inspect/machine.ts'
import { inspectPackage, type PackageInspection } from '../../models/inspect/inspect-package.ts'
import type { CommandIo } from '../command-io.ts'
import { escapedText } from '../escaped-text.ts'
import { sizeText, textTable } from '../text-table.ts'
import { kindText } from './kind-text.ts'
import { locateModel } from './locate-model.ts'
import {
  addModelsPlaceOptions,
  findModelsPlaceOrDefaults,
  type ModelsPlaceFlags,
} from './models-place.ts'

/** Files that are listed unless the command says otherwise. */
const listedFilesMax = 10
/** A Python that does not say its version in this time is one that is not known. */
const versionMs = 10_000

const help = `
Safe on a package from anywhere: nothing of it is imported, unpickled or run. Pickles are read opcode by
opcode; what they name or call is compared with known scientific modules. That finds what pickles are
abused for; it is no proof of harmlessness, which code in a package cannot have.

info: good to know. warn: it may not work here, or nobody vouches for it. DANGER: loading it can run
whatever its author likes, or unpacking it is refused.

Exit status: 1 when something is a danger, else 0.

Examples:
  edgeboot model inspect threshold-1.4.0.zip
  edgeboot model inspect my-model                  a folder, or a model of the models folder
  edgeboot model inspect model.joblib              one file by itself
  edgeboot model inspect --json model.zip | jq .findings`

interface InspectFlags extends ModelsPlaceFlags {
  readonly json?: boolean
  readonly files?: boolean
  readonly python?: string
}

/** Adds `edgeboot model inspect`. */
export function addInspectCommand(model: Command, io: CommandIo): void {
  const command = model
    .command('inspect')
    .summary('look into a package without running anything of it')
    .description('Tells what a package is, what it holds, and what in it could do harm.')
    .argument('<package>', 'a zip, a folder, one file of a model, or the name of a model')
    .option('--files', 'list all files, not only the largest')
    .option('--python <interpreter>', 'the Python that wheels must fit (default: python3)')
    .option('--json', 'print one JSON document instead')
    .addHelpText('after', help)
  addModelsPlaceOptions(command).action(async (named: string, flags: InspectFlags) => {
    const { models } = findModelsPlaceOrDefaults(flags, io)
    const path = await locateModel(named, models.folder, io.cwd)
    const machine = thisMachine(pythonVersion(flags.python ?? 'python3', io))
    const inspection = await inspectPackage(path, {
      limits: models.limits,
      machine,
      readManifest,
    })
    if (flags.json === true) io.stdout(`${JSON.stringify({ path, ...inspection }, undefined, 2)}\n`)
    else print(named, inspection, flags.files === true ? Infinity : listedFilesMax, io)
    if (inspection.findings.some(({ level }) => level === 'danger')) io.exit(1)
  })
}

/** Asks the interpreter of this machine, in a mode in which it reads nothing of the package. */
function pythonVersion(python: string, io: CommandIo): readonly [number, number] | undefined {
  const code = 'import sys; print("%d %d" % sys.version_info[:2])'
  const path = io.env['PATH']
  const { stdout } = spawnSync(python, ['-I', '-S', '-c', code], {
    timeout: versionMs,
    encoding: 'utf8',
    cwd: '/',
    env: path === undefined ? {} : { PATH: path },
  })
  const [, major, minor] = /^(\d+) (\d+)\s*$/.exec(stdout ?? '') ?? []
  return major === undefined ? undefined : [Number(major), Number(minor)]
}

function print(named: string, one: PackageInspection, filesMax: number, io: CommandIo): void {
  const { entry, digests } = one
  const facts: (readonly [string, string])[] = [
    ['package', `${named} (${one.kind}${digests ? `, ${sizeText(digests.bytes)}` : ''})`],
  ]
  if (entry !== undefined) {
    const { name, version } = entry.manifest ?? {}
    if (name !== undefined) facts.push(['name', name])
    facts.push(['version', version ?? 'none'])
    facts.push(['kind', `${kindText(entry)}, started from ${escapedText(entry.file)}`])
  }
  if (digests !== undefined) {
    facts.push(['sha256', digests.sha256])
    facts.push(['md5', Buffer.from(digests.md5, 'hex').toString('base64')])
  }
  if (one.kind !== 'file') {
    const signature = one.signatureFile ?? (one.kind === 'zip' ? 'none beside it' : undefined)
    if (signature !== undefined) facts.push(['signature', signature])
    facts.push(['samples', one.samples.map(escapedText).join(', ') || 'none'])
    facts.push(['files', `${one.files.length}, ${sizeText(one.bytes)}`])
  }
  for (const [word, value] of facts) io.stdout(`${word.padEnd(11)}${value}\n`)
  if (one.kind !== 'file') printFiles(one, filesMax, io)
  if (one.findings.length > 0) io.stdout('\n')
  for (const { level, file, text } of one.findings) {
    const place = file === undefined ? '' : `${escapedText(file)}: `
    const word = level === 'danger' ? 'DANGER' : level
    const lines = text
      .split('\n')
      .map(escapedText)
      .join(`\n${' '.repeat(8)}`)
    io.stdout(`${word.padEnd(8)}${place}${lines}\n`)
  }
}

function printFiles({ files }: PackageInspection, filesMax: number, io: CommandIo): void {
  const largest = files.toSorted((a, b) => b.bytes - a.bytes).slice(0, filesMax)
  if (largest.length === 0) return
  const rows = largest.map(({ name, bytes }) => [sizeText(bytes), escapedText(name)])
  const [, ...lines] = textTable(['', ''], rows, new Set([0]))
  for (const line of lines) io.stdout(`  ${line}\n`)
  const more = files.length - largest.length
  if (more > 0) io.stdout(`  and ${more} smaller (--files)\n`)
}

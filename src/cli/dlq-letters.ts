import { InvalidArgumentError, Option, type Command } from 'commander'
import { loadSettings } from '../config/load.ts'
import { parseDurationMs } from '../config/duration.ts'
import type { PipelineSettings } from '../config/settings.ts'
import { deadLettersFolder } from '../config/state-folder.ts'
import { describeError, EdgebootError } from '../core/errors.ts'
import {
  LetterArchive,
  type ArchivedLetter,
  type ArchiveContent,
} from '../dead-letters/letter-archive.ts'
import type { LetterSummary } from '../dead-letters/letter-row.ts'
import { deadLetterKinds } from '../pipeline/dead-letter.ts'
import { defaultConfigFile, type CommandIo } from './command-io.ts'

/** Ids that are named when a prefix fits several. */
const namedMax = 5

/** Which letters a command is about; what {@link addLetterOptions} reads. */
export interface LetterFlags {
  readonly config?: string
  readonly rule?: string
  readonly func?: string
  readonly kind?: string
  /** Milliseconds since 1970. */
  readonly since?: number
}

/** Adds the options that choose letters. */
export function addLetterOptions(command: Command): Command {
  return command
    .option('--rule <name>', 'those of one rule')
    .option('--func <name>', 'those of one func')
    .addOption(new Option('--kind <kind>', 'those of one kind').choices(deadLetterKinds))
    .option('--since <time>', 'given up since: 30m, 12h, 7d, or 2026-11-28T06:00', parseSince)
}

/** Adds `--config`, where the command has it from nowhere else. */
export function addConfigOption(command: Command): Command {
  const description = `the configuration of the instance (default: ${defaultConfigFile})`
  return command.option('-c, --config <file>', description)
}

function parseSince(text: string): number {
  const ms = parseDurationMs(text, Number.MAX_SAFE_INTEGER)
  // A bare number would be seconds; nobody means that here.
  if (ms !== undefined && /[a-z]$/.test(text)) return Date.now() - ms
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(at)) {
    throw new InvalidArgumentError('Give how long ago, such as 30m or 7d, or a date and time.')
  }
  return at
}

/** The dead letters that a configuration leads to. */
export class LetterChoice {
  readonly archive: LetterArchive
  readonly folder: string
  readonly #content: ArchiveContent
  readonly #pipelines: readonly PipelineSettings[]
  readonly #io: CommandIo

  /** @throws EdgebootError `CONFIG_…`; `DEAD_LETTERS_UNUSABLE` for a folder that may not be read. */
  constructor(flags: LetterFlags, io: CommandIo) {
    const file = flags.config ?? defaultConfigFile
    const { settings } = loadSettings(file, { env: io.env, cwd: io.cwd })
    this.folder = deadLettersFolder(settings.stateFolder)
    this.archive = new LetterArchive(this.folder)
    this.#io = io
    this.#pipelines = settings.pipelines
    this.#content = this.archive.read((letter) => isChosen(letter, flags))
  }

  /** Those that the filters leave, the latest first. */
  get letters(): readonly ArchivedLetter[] {
    return this.#content.letters
  }

  /** Whether a pipeline of the configuration would run it again. */
  hasOwner({ file }: ArchivedLetter): boolean {
    return this.#pipelines.some(({ deadLetters }) => deadLetters.store?.file === file)
  }

  /** Says what could not be read, and asks for status 1 then. */
  tellOfProblems(): void {
    for (const problem of this.#content.problems) this.#io.stderr(`${describeError(problem)}\n`)
    for (const [file, count] of this.#content.unreadable) {
      this.#io.stderr(`warning: ${count} dead letters of ${file} cannot be read any more\n`)
    }
    if (this.#content.problems.length > 0) this.#io.exit(1)
  }

  /**
   * Those with these ids, or beginnings of ids.
   *
   * @throws EdgebootError `DEAD_LETTERS_NO_SUCH`, and `CLI_USAGE` for a beginning of several.
   */
  find(ids: readonly string[]): readonly ArchivedLetter[] {
    const found = new Set<ArchivedLetter>()
    for (const id of ids) {
      const wanted = id.toLowerCase()
      const exact = this.letters.filter((letter) => letter.id === wanted)
      const all =
        exact.length > 0 ? exact : this.letters.filter((letter) => letter.id.startsWith(wanted))
      if (all.length === 0 || wanted === '') throw this.#noSuch(id)
      if (exact.length === 0 && all.length > 1) throw ambiguous(id, all)
      for (const letter of all) found.add(letter)
    }
    return [...found]
  }

  #noSuch(id: string): EdgebootError {
    return new EdgebootError(
      'DEAD_LETTERS_NO_SUCH',
      `no dead letter has the id ${JSON.stringify(id)}`,
      { details: { where: this.folder } },
    )
  }
}

/** Ids, or `--all`: not both, and not neither. @throws EdgebootError `CLI_USAGE` */
export function chosenLetters(
  choice: LetterChoice,
  ids: readonly string[],
  all: boolean | undefined,
): readonly ArchivedLetter[] {
  if (ids.length > 0 && all === true) {
    throw new EdgebootError('CLI_USAGE', 'there are ids and --all', { fix: 'Give one of them.' })
  }
  if (ids.length > 0) return choice.find(ids)
  if (all === true) return choice.letters
  throw new EdgebootError('CLI_USAGE', 'no dead letter is named', {
    fix: 'Give ids from `edgeboot dlq list`, or --all, which --kind and the like narrow down.',
  })
}

function isChosen(letter: LetterSummary, { rule, func, kind, since }: LetterFlags): boolean {
  return (
    (rule === undefined || letter.rule === rule) &&
    (func === undefined || letter.func === func) &&
    (kind === undefined || letter.error.kind === kind) &&
    (since === undefined || letter.diedAt >= since)
  )
}

function ambiguous(id: string, all: readonly ArchivedLetter[]): EdgebootError {
  const names = all.slice(0, namedMax).map((letter) => letter.id)
  const more = all.length > namedMax ? `, and ${all.length - namedMax} more` : ''
  return new EdgebootError(
    'CLI_USAGE',
    `${all.length} dead letters begin with ${id}: ${names.join(', ')}${more}`,
    { fix: 'Give more of the id.' },
  )
}

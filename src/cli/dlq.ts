import { setTimeout as sleep } from 'node:timers/promises'
import { InvalidArgumentError, type Command } from 'commander'
import { parseDurationMs } from '../config/duration.ts'
import { EdgebootError } from '../core/errors.ts'
import type { ArchivedLetter } from '../dead-letters/letter-archive.ts'
import type { CommandIo } from './command-io.ts'
import { letterDetails, letterLines } from './dead-letter-text.ts'
import {
  addConfigOption,
  addLetterOptions,
  chosenLetters,
  LetterChoice,
  type LetterFlags,
} from './dlq-letters.ts'
import { parseCount } from './run.ts'
import { addInstanceOptions, findInstance, type InstanceFlags } from './running-instance.ts'

/** Letters that are listed unless the command says otherwise. */
const listedMax = 50
/** How long a replay is watched unless the command says otherwise. */
const watchMs = 10_000
const lookEveryMs = 200

const help = `
A message that cannot be dealt with is kept as a dead letter: no JSON, an exception of the model, a
crash or a hang that comes again and again, a result that nobody takes. Each has its payload, the
error and how often it was tried. They lie on the disk, so all of this works whether edgeboot runs or
not.

Usually: list, show one, correct the model or the sender, then replay what helps and drop the rest.

Examples:
  edgeboot dlq list                           the latest, those of all rules
  edgeboot dlq list --kind model --since 1h   exceptions of the last hour
  edgeboot dlq show k3f9                      everything about one; the beginning of its id is enough
  edgeboot dlq replay k3f9                    run it again
  edgeboot dlq replay --all --rule pumps      run all of a rule again
  edgeboot dlq drop --all --kind decode --yes forget what was no JSON`

const replayHelp = `
The event goes again through the one rule and func that gave it up; nothing is published to the input
broker. Its letter is removed when its result is out; when it is given up again it stays, with the new
error. Each device's results are no longer in order: that of a replay comes after those of later messages.

A running instance is told at once, at the address and with the token of the configuration. Otherwise,
and when it is not ready, the letters are replayed when it next starts or is ready.

Examples:
  edgeboot dlq replay k3f9 w82c
  edgeboot dlq replay --all --kind model --since 2h
  edgeboot dlq replay --all --wait 0s         do not wait for what comes of it`

interface ListFlags extends LetterFlags {
  readonly json?: boolean
  readonly limit?: number
}

interface ReplayFlags extends LetterFlags, InstanceFlags {
  readonly all?: boolean
  readonly wait?: number
}

interface DropFlags extends LetterFlags {
  readonly all?: boolean
  readonly yes?: boolean
}

interface ShowFlags extends LetterFlags {
  readonly full?: boolean
  readonly json?: boolean
}

/** Adds `edgeboot dlq`. */
export function addDlqCommand(program: Command, io: CommandIo): void {
  const dlq = program
    .command('dlq')
    .summary('look at messages that were given up, run them again, or drop them')
    .description('Looks at dead letters, messages that were given up; runs them again; drops them.')
    .addHelpText('after', help)
  addListCommand(dlq, io)
  addShowCommand(dlq, io)
  addReplayCommand(dlq, io)
  addDropCommand(dlq, io)
}

function addListCommand(dlq: Command, io: CommandIo): void {
  const command = dlq
    .command('list')
    .summary('list them, the latest first')
    .description('Lists dead letters, the latest first: id, age, kind, rule/func, topic, error.')
    .option('--limit <count>', `list as many (default: ${listedMax})`, parseCount)
    .option('--json', 'print one JSON document with all of them instead')
  addConfigOption(addLetterOptions(command)).action((flags: ListFlags) => {
    const choice = new LetterChoice(flags, io)
    if (flags.json === true) {
      const letters = choice.letters.map((letter) => ({
        ...letter,
        diedAt: new Date(letter.diedAt).toISOString(),
        receivedAt: new Date(letter.receivedAt).toISOString(),
      }))
      io.stdout(`${JSON.stringify(letters, undefined, 2)}\n`)
    } else {
      list(choice, flags, io)
    }
    choice.tellOfProblems()
  })
}

function list(choice: LetterChoice, flags: ListFlags, io: CommandIo): void {
  const { letters } = choice
  if (letters.length === 0) {
    io.stdout(`${nothing(choice, flags)}\n`)
    return
  }
  const columns = io.terminal?.columns ?? Infinity
  const shown = letters.slice(0, flags.limit ?? listedMax)
  for (const letter of shown) {
    io.stdout(`${letterLines(letter, Date.now(), columns).join('\n')}\n`)
  }
  const more = letters.length - shown.length
  const rest = more === 0 ? '' : `, ${more} of them not shown (--limit)`
  io.stdout(`\n${count(letters.length)}${rest}\n`)
  io.stdout(`Look at one: edgeboot dlq show ${shown[0]?.id}; what to do: edgeboot dlq --help\n`)
}

function nothing(choice: LetterChoice, { rule, func, kind, since }: LetterFlags): string {
  const isFiltered = [rule, func, kind, since].some((filter) => filter !== undefined)
  return isFiltered
    ? `no dead letter in ${choice.folder} fits`
    : `nothing was given up: there is no dead letter in ${choice.folder}`
}

function addShowCommand(dlq: Command, io: CommandIo): void {
  const command = dlq
    .command('show')
    .summary('show all that is known of one')
    .description('Shows all that is known of a dead letter, its payload included.')
    .argument('<id>', 'its id, or the beginning of it')
    .option('--full', 'all of the payload, however long')
    .option('--json', 'print one JSON document, the payload in base64')
  addConfigOption(command).action((id: string, flags: ShowFlags) => {
    const choice = new LetterChoice(flags, io)
    choice.tellOfProblems()
    for (const found of choice.find([id])) {
      const letter = choice.archive.letter(found)
      // Replayed or dropped in this very moment.
      if (letter === undefined) continue
      const { payload, ...facts } = letter
      const payloadBase64 = payload && Buffer.from(payload).toString('base64')
      io.stdout(
        flags.json === true
          ? `${JSON.stringify({ ...facts, payloadBase64 }, undefined, 2)}\n`
          : `${letterDetails(letter, { now: Date.now(), isFull: flags.full === true })}\n`,
      )
    }
  })
}

function addReplayCommand(dlq: Command, io: CommandIo): void {
  const command = dlq
    .command('replay')
    .summary('run them again')
    .description('Runs dead letters again, through the rule and func that gave them up.')
    .argument('[ids...]', 'their ids, or the beginnings of them')
    .option('--all', 'all, or all that the filters leave')
    .option('--wait <time>', 'how long to wait for what comes of it (default: 10s)', parseWait)
    .addHelpText('after', replayHelp)
  addInstanceOptions(addLetterOptions(command)).action(
    async (ids: string[], flags: ReplayFlags) => {
      const choice = new LetterChoice(flags, io)
      choice.tellOfProblems()
      const chosen = chosenLetters(choice, ids, flags.all)
      if (chosen.length === 0) {
        io.stdout(`${nothing(choice, flags)}\n`)
        return
      }
      const letters = withOwner(choice, chosen, io)
      const wanted = choice.archive.want(letters, Date.now())
      const left = letters.length - wanted
      if (left > 0)
        io.stdout(`${count(left)} cannot be replayed: the payload was not kept, or it is gone\n`)
      if (wanted === 0) return
      if (await tellInstance(flags, wanted, io)) {
        await watch(letters, flags, io)
      }
    },
  )
}

/** Leaves out those that no pipeline would take, and says so. */
function withOwner(
  choice: LetterChoice,
  chosen: readonly ArchivedLetter[],
  io: CommandIo,
): readonly ArchivedLetter[] {
  const letters = chosen.filter((letter) => choice.hasOwner(letter))
  const orphans = chosen.length - letters.length
  if (orphans > 0) {
    const why = 'their rule or func is gone from the configuration, or keeps no letters any more'
    io.stdout(`${count(orphans)} cannot be replayed: ${why}\n`)
    io.exit(1)
  }
  return letters
}

/** @returns Whether an instance was told. */
async function tellInstance(flags: ReplayFlags, wanted: number, io: CommandIo): Promise<boolean> {
  try {
    const instance = findInstance(flags, io)
    await instance.post('/api/v1/dead-letters/replay', {})
    io.stdout(`edgeboot at ${instance.address} replays ${count(wanted)}\n`)
    return true
  } catch (thrown) {
    if (!(thrown instanceof EdgebootError) || thrown.code !== 'CLI_INSTANCE_UNREACHABLE')
      throw thrown
    // An address that was given is meant to answer.
    if (flags.url !== undefined) throw thrown
    io.stdout(`${count(wanted)} will be replayed when edgeboot next starts: ${thrown.message}\n`)
    return false
  }
}

/** Looks at the letters until all replays are over, or the time is. */
async function watch(
  letters: readonly ArchivedLetter[],
  flags: ReplayFlags,
  io: CommandIo,
): Promise<void> {
  const before = new Set(letters.filter(({ hasPayload }) => hasPayload).map(keyOf))
  const endAt = performance.now() + (flags.wait ?? watchMs)
  const { config } = flags
  for (;;) {
    const now = new LetterChoice(config === undefined ? {} : { config }, io).letters
    const left = now.filter((letter) => before.has(keyOf(letter)))
    const waiting = left.filter(({ wantedAt }) => wantedAt !== undefined).length
    if (waiting > 0 && performance.now() < endAt) {
      await sleep(lookEveryMs)
      continue
    }
    const again = left.length - waiting
    io.stdout(`${before.size - left.length} went through, ${again} given up again\n`)
    if (waiting > 0) {
      io.stdout(`${waiting} not over yet: see edgeboot dlq list, and the state of the pipeline\n`)
    }
    if (again > 0) io.exit(1)
    return
  }
}

function keyOf({ file, seq }: ArchivedLetter): string {
  return `${file} ${seq}`
}

function addDropCommand(dlq: Command, io: CommandIo): void {
  const command = dlq
    .command('drop')
    .summary('forget them')
    .description('Removes dead letters from the disk. They cannot be had back.')
    .argument('[ids...]', 'their ids, or the beginnings of them')
    .option('--all', 'all, or all that the filters leave; needs --yes')
    .option('--yes', 'do it, where it is more than was named')
  addConfigOption(addLetterOptions(command)).action((ids: string[], flags: DropFlags) => {
    const choice = new LetterChoice(flags, io)
    choice.tellOfProblems()
    const letters = chosenLetters(choice, ids, flags.all)
    if (letters.length === 0) {
      io.stdout(`${nothing(choice, flags)}\n`)
      return
    }
    if (flags.all === true && flags.yes !== true) {
      throw new EdgebootError('CLI_USAGE', `this would drop ${count(letters.length)} for good`, {
        fix: 'Look at them with `edgeboot dlq list` and the same filters, then add --yes.',
      })
    }
    io.stdout(`dropped ${count(choice.archive.drop(letters))}\n`)
  })
}

function parseWait(text: string): number {
  const ms = parseDurationMs(text)
  if (ms === undefined) throw new InvalidArgumentError('Give a time such as 10s, 2m or 0s.')
  return ms
}

function count(letters: number): string {
  return `${letters} dead letter${letters === 1 ? '' : 's'}`
}

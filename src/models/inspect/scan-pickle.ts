import { ByteCursor, EndOfBytes, LongLine, TooManyBytes } from './byte-cursor.ts'
import { compressionBytes, compressionOf, decompress } from './decompress.ts'
import type { FindingLevel } from './inspection.ts'
import { isArrayWrapper, rawArray } from './numpy-bytes.ts'
import { PickleFault, PickleMachine } from './pickle-machine.ts'
import { PickleNames, type PickleName } from './pickle-name-list.ts'
import { NoOpcode, nextOpcode } from './pickle-opcodes.ts'

/** Steps of a pickle that are followed: a minute of a slow machine. */
const stepsMax = 20_000_000
/** Pickles one after another in a file. */
const picklesMax = 1000

/** What is found out about a pickle without loading it. */
export interface PickleReport {
  /** In the order in which they are met. */
  readonly names: readonly PickleName[]
  readonly notes: readonly { readonly level: FindingLevel; readonly text: string }[]
}

/** What a scan is held to. */
export interface ScanOptions {
  /** Of the file, and of what it inflates to. */
  readonly bytesMax: number
  /** Whether it was taken for a pickle by its beginning alone: then it may as well be none. */
  readonly isGuess?: boolean
}

/**
 * Reads a pickle opcode by opcode, as `pickle.load` and `joblib.load` would, and tells what it
 * names and calls. Nothing is imported, made or run. Memory is bounded, and time by the limits.
 *
 * A file of joblib has the bytes of arrays between opcodes. `pickle.load` would take them for
 * opcodes, so such a file is read both ways.
 *
 * @param open - Gives the content from the beginning, each time.
 * @returns Always, whatever the bytes are. What the opening throws comes through.
 */
export async function scanPickle(
  open: () => AsyncIterable<Uint8Array>,
  options: ScanOptions,
): Promise<PickleReport> {
  const first = new Scan(options, true)
  await first.read(open)
  if (!first.sawArrays) return first.report()
  const plain = new Scan(options, false)
  await plain.read(open)
  // That it ends in nonsense is as it should be.
  const danger = plain.report().names.filter(({ verdict }) => verdict === 'danger')
  return first.report(danger)
}

class Scan {
  sawArrays = false
  readonly #options: ScanOptions
  readonly #followsArrays: boolean
  readonly #names = new PickleNames()
  readonly #notes: { level: FindingLevel; text: string }[] = []
  #steps = 0

  constructor(options: ScanOptions, followsArrays: boolean) {
    this.#options = options
    this.#followsArrays = followsArrays
  }

  report(more: readonly PickleName[] = []): PickleReport {
    return { names: [...this.#names.list(), ...more], notes: this.#notes }
  }

  async read(open: () => AsyncIterable<Uint8Array>): Promise<void> {
    const { bytesMax } = this.#options
    const raw = new ByteCursor(open(), bytesMax)
    await raw.fill(compressionBytes)
    const compression = compressionOf(raw.peek(compressionBytes))
    if (compression === 'none') return await this.#pickles(raw)
    await raw.close()
    const content = decompress(open(), compression)
    if (content === undefined) {
      this.#note(
        'warn',
        `it is compressed with ${compression}, which is not looked into: compress it with zlib or gzip to have it inspected`,
      )
      return
    }
    await this.#pickles(new ByteCursor(content, bytesMax))
  }

  async #pickles(cursor: ByteCursor): Promise<void> {
    try {
      await this.#pickle(cursor, this.#followsArrays)
    } catch (thrown) {
      this.#fault(thrown, cursor)
      await cursor.close()
      return
    }
    // What follows is for whoever goes on loading. It need not be a pickle at all.
    const end = cursor.position
    try {
      for (let count = 1; count < picklesMax && (await cursor.fill(1)); count++) {
        await this.#pickle(cursor, this.#followsArrays)
      }
    } catch {
      this.#note('info', `something that is no pickle follows its end at byte ${end}`)
    }
    await cursor.close()
  }

  async #pickle(cursor: ByteCursor, followsArrays: boolean): Promise<void> {
    const machine = new PickleMachine(this.#names)
    for (;;) {
      const opcode = await nextOpcode(cursor)
      this.#steps += 1
      if (this.#steps > stepsMax) throw new PickleFault(`more than ${stepsMax} steps`)
      machine.step(opcode)
      if (opcode.name === 'STOP') return
      if (opcode.name === 'BUILD' && isArrayWrapper(machine.built)) {
        this.sawArrays = true
        if (followsArrays) await this.#array(cursor, machine)
      }
    }
  }

  /** What joblib writes behind the wrapper of an array: its bytes, or a pickle of its objects. */
  async #array(cursor: ByteCursor, machine: PickleMachine): Promise<void> {
    const { built } = machine
    const array = built.kind === 'made' && built.state ? rawArray(built.state) : undefined
    if (array === undefined) throw new PickleFault('it has an array whose size cannot be told')
    if (array.bytes === undefined) return await this.#pickle(cursor, false)
    if (array.isPadded) {
      await cursor.need(1)
      await cursor.skip(cursor.byte())
    }
    await cursor.skip(array.bytes)
  }

  #fault(thrown: unknown, cursor: ByteCursor): void {
    const at = `at byte ${cursor.position}`
    const rest = 'what follows was not looked at'
    if (thrown instanceof TooManyBytes) {
      this.#note(
        'danger',
        `it has or inflates to more than ${this.#options.bytesMax} bytes; ${rest}`,
      )
    } else if (thrown instanceof PickleFault) {
      this.#note('danger', `it cannot be followed: ${thrown.message} ${at}; ${rest}`)
    } else if (thrown instanceof LongLine) {
      this.#note('danger', `it cannot be followed: a line too long to be read ${at}; ${rest}`)
    } else if (this.#options.isGuess === true && this.#names.isEmpty) {
      // A file of another kind that happens to begin like one.
    } else if (thrown instanceof EndOfBytes) {
      this.#note('warn', `it is cut off ${at}: it cannot be loaded`)
    } else if (thrown instanceof NoOpcode) {
      this.#note('warn', `it is damaged or no pickle: ${thrown.message} ${at}`)
    } else {
      const why = thrown instanceof Error ? thrown.message : String(thrown)
      this.#note('warn', `its compressed content is damaged: ${why}`)
    }
  }

  #note(level: FindingLevel, text: string): void {
    this.#notes.push({ level, text })
  }
}

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { EdgebootError } from '../../core/errors.ts'
import type { CommandIo } from '../command-io.ts'
import { readEvents } from './read-events.ts'

/** Of standard input, or of a file with events. */
const inputBytesMax = 256 * 1024 * 1024

/**
 * Reads the events that `--input` names: a file, or `-` for standard input.
 *
 * @returns JSON texts in their order, at least one unless it is an empty array.
 * @throws `CLI_USAGE`
 */
export async function readEventsOf(input: string, io: CommandIo): Promise<readonly string[]> {
  if (input === '-') {
    const bytes = (await io.stdin?.(inputBytesMax + 1)) ?? Buffer.alloc(0)
    if (bytes.byteLength > inputBytesMax) throw tooMuch('standard input')
    return readEvents(bytes, 'standard input')
  }
  let bytes: Buffer
  try {
    bytes = await readFile(resolve(io.cwd, input))
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no' : 'cannot read'
    throw new EdgebootError('CLI_USAGE', `${why} ${input}`, {
      cause,
      fix: 'Name a file with events after --input.',
    })
  }
  if (bytes.byteLength > inputBytesMax) throw tooMuch(input)
  return readEvents(bytes, input)
}

function tooMuch(where: string): EdgebootError {
  return new EdgebootError('CLI_USAGE', `${where} has more than ${inputBytesMax} bytes`, {
    fix: 'Give the events in several parts.',
  })
}

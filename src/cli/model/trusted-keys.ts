import { existsSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { EdgebootError } from '../../core/errors.ts'
import { minisignTextMax, parsePublicKey } from '../../core/minisign.ts'
import type { CommandIo } from '../command-io.ts'

/**
 * A public key as a command was given it: the line that minisign prints, or a file with it.
 *
 * @returns Its one line.
 * @throws EdgebootError `CLI_USAGE` for what is none.
 */
export function readPublicKey(given: string, io: CommandIo): string {
  const inPlace = parsePublicKey(given)
  if (inPlace !== undefined) return inPlace.text
  const file = resolve(io.cwd, given)
  const isFile =
    existsSync(file) && statSync(file).isFile() && statSync(file).size <= minisignTextMax
  const key = isFile ? parsePublicKey(readFileSync(file, 'utf8')) : undefined
  if (key !== undefined) return key.text
  const what = isFile ? 'a file without a public key of minisign' : 'neither a key nor a file'
  throw new EdgebootError('CLI_USAGE', `--public-key ${JSON.stringify(given)} is ${what}`, {
    fix: 'Give the line that minisign prints, or the .pub file.',
  })
}

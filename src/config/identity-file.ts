import { randomUUID } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

/** Far more than the name takes; what is longer is some other file. */
const charactersMax = 200

/**
 * The name of this installation, from the file `identity` in the state folder. The first call
 * makes it up and writes it so that a power cut leaves all of it or none.
 *
 * @throws An `Error` that says which file and why, when it can be neither read nor written, or does
 * not hold a name. A name made up in its place would give up what brokers keep for the old one.
 */
export function readIdentity(stateFolder: string): string {
  const file = join(stateFolder, 'identity')
  const written = readIfThere(file)
  if (written === undefined) return writeNew(stateFolder, file)
  const name = written.trim()
  if (!/^[\x21-\x7e]+$/.test(name) || name.length > charactersMax) {
    throw new Error(`${file} holds no name (restore it; without it, brokers start new sessions)`)
  }
  return name
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (thrown) {
    const code = codeOf(thrown)
    if (code === 'ENOENT') return undefined
    throw new Error(`${file} cannot be read: ${code}`, { cause: thrown })
  }
}

function writeNew(folder: string, file: string): string {
  const name = randomUUID()
  const temporary = `${file}.${name}.tmp`
  try {
    mkdirSync(folder, { recursive: true })
    writeSynced(temporary, `${name}\n`)
    renameSync(temporary, file)
    syncFolder(folder)
  } catch (thrown) {
    if (existsSync(temporary)) rmSync(temporary)
    throw new Error(`${file} cannot be written: ${codeOf(thrown)}`, { cause: thrown })
  }
  return name
}

function writeSynced(file: string, content: string): void {
  const handle = openSync(file, 'wx', 0o644)
  try {
    writeFileSync(handle, content)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** The new name of a file is on the disk only after its folder is. */
function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

function codeOf(thrown: unknown): string {
  return (thrown as NodeJS.ErrnoException).code ?? String(thrown)
}

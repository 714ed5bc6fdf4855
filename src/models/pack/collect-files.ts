import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { byCodePoint } from '../../core/by-code-point.ts'
import { EdgebootError } from '../../core/errors.ts'
import { checkEntryName, foldedPath } from '../entry-name.ts'
import type { UnpackLimits } from '../zip-plan.ts'

/** A file that goes into a package. */
export interface CollectedFile {
  /** In the package, with `/`. */
  readonly name: string
  /** Absolute; links followed. */
  readonly path: string
  readonly bytes: number
  /** Whether its owner may execute it: all that is kept of its mode. */
  readonly isExecutable: boolean
}

/** What a folder gives to a package. */
export interface CollectedFiles {
  /** In the order of their names' code points. */
  readonly files: readonly CollectedFile[]
  readonly bytes: number
  /** Files and folders that are no part of a model, and were left out. Relative; folders end with `/`. */
  readonly leftOut: readonly string[]
}

/**
 * Finds what of a folder goes into its package. Left out is what is not the author's: names that
 * begin with a dot (`.venv`, `.git`), `__pycache__`, `*.pyc`, `__MACOSX`, and virtual environments
 * by any name. `node_modules` stays: a model may import from it. A link to a file within the folder
 * becomes that file.
 *
 * @param root - Absolute.
 * @param options.takesAll - Leaves out nothing.
 * @throws `MODEL_PACKAGE_INVALID` for what unpacking would refuse: names, links that lead out or to
 * a folder, devices, names that differ in case only; `MODEL_PACKAGE_TOO_LARGE`.
 */
export async function collectFiles(
  root: string,
  limits: Pick<UnpackLimits, 'entriesMax' | 'unpackedBytesMax'>,
  options: { readonly takesAll?: boolean } = {},
): Promise<CollectedFiles> {
  const collector = new Collector(await realpath(root), limits, options.takesAll === true)
  await collector.visit([])
  const { files, leftOut, bytes } = collector
  files.sort((a, b) => byCodePoint(a.name, b.name))
  return { files, bytes, leftOut: leftOut.sort(byCodePoint) }
}

class Collector {
  readonly files: CollectedFile[] = []
  readonly leftOut: string[] = []
  bytes = 0
  readonly #root: string
  readonly #limits: Pick<UnpackLimits, 'entriesMax' | 'unpackedBytesMax'>
  readonly #takesAll: boolean
  readonly #folded = new Map<string, string>()

  constructor(
    root: string,
    limits: Pick<UnpackLimits, 'entriesMax' | 'unpackedBytesMax'>,
    takesAll: boolean,
  ) {
    this.#root = root
    this.#limits = limits
    this.#takesAll = takesAll
  }

  async visit(parents: readonly string[]): Promise<void> {
    // As bytes: a name that is no UTF-8 would be another name once it is decoded.
    const names = await readdir(join(this.#root, ...parents), { encoding: 'buffer' })
    for (const raw of names) {
      const segments = [...parents, raw.toString('utf8')]
      const name = segments.join('/')
      const path = join(this.#root, ...segments)
      if (!this.#takesAll && isNoPart(segments.at(-1) ?? '')) {
        this.leftOut.push(name)
        continue
      }
      const checked = checkEntryName(name)
      if ('fault' in checked) throw refuse(this.#root, name, `has ${checked.fault}`)
      const stats = await lstat(path)
      if (stats.isDirectory()) {
        if (!this.#takesAll && (await isVirtualEnvironment(path))) this.leftOut.push(`${name}/`)
        else await this.#descend(segments, name)
      } else {
        await this.#add(segments, path)
      }
    }
  }

  async #descend(segments: readonly string[], name: string): Promise<void> {
    this.#claim(segments, `${name}/`)
    await this.visit(segments)
  }

  async #add(segments: readonly string[], path: string): Promise<void> {
    const name = segments.join('/')
    const target = await this.#follow(name, path)
    const stats = await stat(target)
    if (stats.isDirectory()) throw refuse(this.#root, name, 'is a link to a folder')
    if (!stats.isFile()) throw refuse(this.#root, name, 'is a device, a pipe or a socket')
    this.#claim(segments, name)
    this.bytes += stats.size
    const { entriesMax, unpackedBytesMax } = this.#limits
    if (this.bytes > unpackedBytesMax) {
      throw tooLarge(
        this.#root,
        `its files have more than models.limits.unpackedBytesMax, ${unpackedBytesMax} bytes`,
      )
    }
    if (this.files.length >= entriesMax) {
      throw tooLarge(this.#root, `it has more files than models.limits.entriesMax, ${entriesMax}`)
    }
    const isExecutable = (stats.mode & 0o100) !== 0
    this.files.push({ name, path: target, bytes: stats.size, isExecutable })
  }

  async #follow(name: string, path: string): Promise<string> {
    let target: string
    try {
      target = await realpath(path)
    } catch {
      throw refuse(this.#root, name, 'is a link that leads nowhere')
    }
    if (target.startsWith(this.#root + sep)) return target
    throw refuse(this.#root, name, `is a link out of the folder, to ${target}`)
  }

  #claim(segments: readonly string[], name: string): void {
    const folded = foldedPath(segments)
    const other = this.#folded.get(folded)
    if (other !== undefined) {
      throw refuse(this.#root, name, `differs from ${JSON.stringify(other)} in case only`)
    }
    this.#folded.set(folded, name)
  }
}

/** Whether a name is that of something that is not the author's. */
export function isNoPart(name: string): boolean {
  return (
    name.startsWith('.') ||
    name === '__pycache__' ||
    name === '__MACOSX' ||
    name.endsWith('.pyc') ||
    name.endsWith('.pyo')
  )
}

/** An environment is of one machine, and refers to its interpreter by links out of the folder. */
export function isVirtualEnvironment(folder: string): Promise<boolean> {
  return stat(join(folder, 'pyvenv.cfg')).then(
    () => true,
    () => false,
  )
}

function refuse(root: string, name: string, fault: string): EdgebootError {
  const text = `the folder cannot be packed: ${JSON.stringify(name)} ${fault}`
  return new EdgebootError('MODEL_PACKAGE_INVALID', text, {
    details: { where: root },
    fix: 'Rename or remove it, or put a copy in place of the link: unpacking would refuse it.',
  })
}

function tooLarge(root: string, reason: string): EdgebootError {
  return new EdgebootError('MODEL_PACKAGE_TOO_LARGE', `the folder cannot be packed: ${reason}`, {
    details: { where: root },
  })
}

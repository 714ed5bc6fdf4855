import { closeSync, ftruncateSync, openSync, readSync, unlinkSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Progress, ProgressMark, progressBytes } from './progress-mark.ts'

/** Where files are memory, on Linux; elsewhere, or where a container has none, temporary files do. */
const memoryFolder = '/dev/shm'

/**
 * The progress mark of a child process: a file without a name, which the child inherits open and maps
 * into its memory. A mapped page belongs to the system, so that no death of the child, SIGKILL
 * included, keeps what it wrote last from being read here.
 */
export class ProgressFile {
  /** To be inherited. */
  readonly descriptor: number
  #isOpen = true

  private constructor(descriptor: number) {
    this.descriptor = descriptor
  }

  /** `undefined` where no file can be made: the runner then does without. */
  static open(): ProgressFile | undefined {
    for (const folder of [memoryFolder, tmpdir()]) {
      try {
        return new ProgressFile(openUnnamed(folder))
      } catch {
        // Not there, read-only or full, or no descriptor is left.
      }
    }
    return undefined
  }

  /** What the child was on, as far as it says. */
  read(): Progress | undefined {
    if (!this.#isOpen) return undefined
    try {
      const memory = new ArrayBuffer(progressBytes)
      const read = readSync(this.descriptor, new Uint8Array(memory), 0, progressBytes, 0)
      return read === progressBytes ? new ProgressMark(memory).read() : undefined
    } catch {
      return undefined // the child could have truncated it
    }
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    closeSync(this.descriptor)
  }
}

function openUnnamed(folder: string): number {
  const path = join(folder, `edgeboot-${randomUUID()}`)
  const descriptor = openSync(path, 'wx+', 0o600)
  try {
    unlinkSync(path)
    ftruncateSync(descriptor, progressBytes)
    return descriptor
  } catch (thrown) {
    closeSync(descriptor)
    throw thrown
  }
}

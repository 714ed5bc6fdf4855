import { writeSync } from 'node:fs'
import { progressBytes, ProgressMark } from './progress-mark.ts'

/**
 * The progress mark of a child that is Node, which cannot map a file into its memory: each change is
 * written, one system call. What was written belongs to the system, whatever ends the process.
 */
export class WrittenMark extends ProgressMark {
  readonly #descriptor: number
  readonly #memory: Uint8Array

  /** @param descriptor - The file of a `ProgressFile`, inherited open. */
  constructor(descriptor: number) {
    const memory = new ArrayBuffer(progressBytes)
    super(memory)
    this.#descriptor = descriptor
    this.#memory = new Uint8Array(memory)
  }

  override enter(batchId: number): void {
    super.enter(batchId)
    this.#write()
  }

  override begin(index: number): void {
    super.begin(index)
    this.#write()
  }

  #write(): void {
    writeSync(this.#descriptor, this.#memory, 0, progressBytes, 0)
  }
}

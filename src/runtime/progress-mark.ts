/** Which event a runner is on, left where it can be read whatever the runner dies of. */

/** An event that a model was given and has not finished. */
export interface Progress {
  readonly batchId: number
  /** Of the event in its batch. */
  readonly index: number
}

/** Two words of 32 bits in the order of the machine: the batch, and the index in it. */
export const progressBytes = 8
const batchWord = 0
const indexWord = 1
/** In place of an index: no single event is known. */
const noEvent = 0xffff_ffff

/**
 * The mark in memory that both ends see. What is read was written by who may have run wild: it is a
 * claim, to be held against the batches that the runner really has.
 */
export class ProgressMark {
  readonly #words: Uint32Array

  constructor(memory: ArrayBuffer | SharedArrayBuffer = new ArrayBuffer(progressBytes)) {
    this.#words = new Uint32Array(memory)
  }

  /** A batch is served from here on, and none of its events begun. */
  enter(batchId: number): void {
    // In this order: who dies in between leaves no index of one batch with the id of another.
    Atomics.store(this.#words, indexWord, noEvent)
    Atomics.store(this.#words, batchWord, batchId)
  }

  /** The model is about to be given this event. */
  begin(index: number): void {
    Atomics.store(this.#words, indexWord, index)
  }

  /** `undefined` when it names no event. */
  read(): Progress | undefined {
    const batchId = Atomics.load(this.#words, batchWord)
    const index = Atomics.load(this.#words, indexWord)
    return index === noEvent ? undefined : { batchId, index }
  }
}

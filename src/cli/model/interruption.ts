/** As shells have it for a command that a signal ended. */
const exits = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

type SignalName = keyof typeof exits

/**
 * Hears Ctrl-C and what else asks a command to end, so that it can remove what it made. Once: the
 * next signal ends the process as it would any other.
 */
export class Interruption implements Disposable {
  readonly #aborting = new AbortController()
  readonly #exit: (code: number) => void
  readonly #hear = (name: SignalName): void => {
    this[Symbol.dispose]()
    this.#exit(exits[name])
    this.#aborting.abort(new Error(`interrupted by ${name}`))
  }

  /** @param exit - Is told the status that the command ends with. */
  constructor(exit: (code: number) => void) {
    this.#exit = exit
    for (const name of Object.keys(exits)) process.on(name, this.#hear)
  }

  get signal(): AbortSignal {
    return this.#aborting.signal
  }

  /** Hears no longer. */
  [Symbol.dispose](): void {
    for (const name of Object.keys(exits)) process.removeListener(name, this.#hear)
  }
}

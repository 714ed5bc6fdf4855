import type { PickleWatcher } from './pickle-machine.ts'
import { judgeName, type NameVerdict } from './pickle-names.ts'
import { showValue, type PickleValue } from './pickle-value.ts'

/** Different names of a file that are kept. */
const namesMax = 10_000
const shownNameCharsMax = 100

/** Something that a pickle names, calls, or does by other ways. */
export interface PickleName {
  /** Top of the module's name, to tell the package's own code; absent where nothing is named. */
  readonly module?: string
  /** As a clause: `calls posix.system with ("id")`. */
  readonly text: string
  readonly verdict: NameVerdict
}

/** Collects what a pickle names, each once, with the first arguments that it is called with. */
export class PickleNames implements PickleWatcher {
  readonly #names = new Map<string, { name: PickleName; isCalled: boolean }>()
  #dropped = 0

  /** Whether nothing was named. */
  get isEmpty(): boolean {
    return this.#names.size === 0
  }

  list(): PickleName[] {
    const names = [...this.#names.values()].map(({ name }) => name)
    if (this.#dropped === 0) return names
    return [...names, { text: `names more than ${namesMax} things`, verdict: 'danger' }]
  }

  named(module: string, name: string): void {
    const key = `${module}\n${name}`
    if (this.#names.has(key)) return
    const verdict = judgeName(module, name, false)
    this.#set(key, { module, text: `names ${shown(module, name)}`, verdict }, false)
  }

  called(callee: PickleValue, args: PickleValue): void {
    if (callee.kind !== 'global') {
      const source = callee.kind === 'made' ? showValue(callee) : 'a value'
      this.#set(`called ${source}`, { text: `calls what ${source} gives`, verdict: 'danger' }, true)
      return
    }
    const { module, name } = callee
    const key = `${module}\n${name}`
    if (this.#names.get(key)?.isCalled === true) return
    const text = `calls ${shown(module, name)} with ${showValue(args)}`
    this.#set(key, { module, text, verdict: judgeName(module, name, true) }, true)
  }

  changed(target: PickleValue): void {
    const text = `changes ${showValue(target)} itself`
    this.#set(text, { text, verdict: 'danger' }, true)
  }

  obscure(what: string): void {
    this.#set(what, { text: what, verdict: 'danger' }, true)
  }

  #set(key: string, name: PickleName, isCalled: boolean): void {
    if (this.#names.size < namesMax || this.#names.has(key))
      this.#names.set(key, { name, isCalled })
    else this.#dropped += 1
  }
}

/** Names are the author's text: what a terminal would obey is escaped. */
function shown(module: string, name: string): string {
  const whole = `${module}.${name}`
  const short = whole.length > shownNameCharsMax ? `${whole.slice(0, shownNameCharsMax)}…` : whole
  return JSON.stringify(short).slice(1, -1)
}

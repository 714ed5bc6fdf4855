import { createHash } from 'node:crypto'
import type { PlanContext } from './plan-context.ts'

/**
 * Makes the client ids that a configuration leaves open. They stay the same over restarts, differ
 * between installations, rules and funcs, and have at most 23 characters, which every broker takes.
 *
 * With QoS 1 a broker keeps messages under the id, so it is made from a name that is kept on the
 * disk: a host name changes with every container. With QoS 0 the host name will do, and nothing
 * needs to be written.
 */
export class ClientIds {
  readonly #context: PlanContext
  readonly #stateFolder: string
  #identity: string | undefined

  constructor(context: PlanContext, stateFolder: string) {
    this.#context = context
    this.#stateFolder = stateFolder
  }

  /** Mistakes, such as a folder that cannot be written, go to the findings. */
  generate(qos: 0 | 1, names: { rule: string; func: string; role: 'in' | 'out' }): string {
    const { rule, func, role } = names
    const installation = qos === 0 ? this.#context.surroundings.instance : this.#kept()
    const text = JSON.stringify([installation, rule, func, role])
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 10)
    return `edgeboot-${hash}-${role}`
  }

  #kept(): string {
    this.#identity ??= this.#read()
    return this.#identity
  }

  #read(): string {
    const { readIdentity, instance } = this.#context.surroundings
    try {
      return readIdentity(this.#stateFolder)
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown)
      const message = `the client ids of QoS 1 cannot be kept: ${why}`
      const suggestion = 'name a folder that edgeboot may write to as stateFolder'
      this.#context.error(['stateFolder'], message, suggestion)
      return instance
    }
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../../src/cli/chaos/fault-plan.ts'
import { childrenOf, isAlive } from '../../src/cli/chaos/process-tree.ts'
import type { EdgebootProcess } from './edgeboot-process.ts'
import { type Mosquitto, savingMs } from './mosquitto.ts'
import { until } from './wait.ts'

/** What the killer needs from around it. */
export interface KillerOptions {
  readonly broker: Mosquitto
  /** Starts edgeboot, for the first time and again. */
  readonly start: () => EdgebootProcess
  /**
   * The broker is dead, and what it has on its disk is from `from`; milliseconds since 1970. Called
   * before it is started again.
   */
  readonly forgot: (from: number, to: number) => void
}

/**
 * Kills parts of a running edgeboot with SIGKILL as a plan says, and starts again what nobody else
 * would start: main and the broker. It waits for a victim that is not there yet, as after a kill of its
 * parent, so that every kill of the plan hits.
 */
export class Killer {
  readonly #options: KillerOptions
  #edgeboot: EdgebootProcess
  /** For the summary: how long each kind of recovery took at most, milliseconds. */
  readonly facts = { mainGoneMsMax: 0, victimWaitMsMax: 0, savedAgoMsMax: 0 }

  constructor(options: KillerOptions) {
    this.#options = options
    this.#edgeboot = options.start()
  }

  /** The instance that runs now. */
  get edgeboot(): EdgebootProcess {
    return this.#edgeboot
  }

  /** Resolves when the last kill is done and what it hit has been started again. */
  async follow(plan: readonly Fault[]): Promise<void> {
    const begun = performance.now()
    for (const { victim, atMs, lastsMs } of plan) {
      await sleep(Math.max(0, begun + atMs - performance.now()))
      if (victim === 'broker') await this.#killBroker(lastsMs)
      else if (victim === 'main') await this.#killMain()
      else await this.#killChild(victim)
    }
  }

  async #killBroker(awayMs: number): Promise<void> {
    const { broker, forgot } = this.#options
    const killedAt = Date.now()
    await broker.halt('SIGKILL')
    const savedAt = await broker.savedAt()
    this.#note('savedAgoMsMax', killedAt - savedAt)
    forgot(savedAt - savingMs, Date.now())
    await sleep(awayMs)
    await broker.resume()
  }

  /** Its hosts and runners must go with it, or two of them would share a session. */
  async #killMain(): Promise<void> {
    const { pid } = this.#edgeboot
    const family = [...childrenOf(pid), ...childrenOf(pid).flatMap(childrenOf)]
    const killedAt = performance.now()
    this.#edgeboot.signal('SIGKILL')
    await this.#edgeboot.exited
    await until(`the children of main to be gone: ${family.join(' ')}`, () =>
      family.every((child) => !isAlive(child)),
    )
    this.#note('mainGoneMsMax', performance.now() - killedAt)
    this.#edgeboot = this.#options.start()
  }

  async #killChild(victim: 'host' | 'runner'): Promise<void> {
    const begun = performance.now()
    const pid = await until(`a ${victim} to kill`, () => {
      const hosts = childrenOf(this.#edgeboot.pid)
      return (victim === 'host' ? hosts : hosts.flatMap(childrenOf))[0]
    })
    this.#note('victimWaitMsMax', performance.now() - begun)
    process.kill(pid, 'SIGKILL')
    await until(`${victim} ${pid} to be gone`, () => !isAlive(pid))
  }

  #note(fact: keyof Killer['facts'], value: number): void {
    this.facts[fact] = Math.max(this.facts[fact], Math.round(value))
  }
}

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChaosCollector } from './collector.ts'
import type { Fault } from './fault-plan.ts'
import type { ChaosInstance } from './instance.ts'
import type { LocalBroker } from './local-broker.ts'
import { childrenOf, isAlive, signal } from './process-tree.ts'
import type { ChaosPublisher } from './publisher.ts'
import type { SmallDisk } from './small-disk.ts'
import type { TcpProxy } from './tcp-proxy.ts'

/** How long a victim that is not there yet, as after the death of its parent, is waited for. */
const victimMs = 15_000
const delayedByMs = 200

/** A broker of the run with what stands around it. */
export interface BrokerSite {
  readonly name: string
  readonly broker: LocalBroker
  /** What edgeboot connects to. */
  readonly proxy: TcpProxy
  /** There when the run publishes to it. */
  readonly publisher: ChaosPublisher | undefined
  /** There when the run reads results from it. */
  readonly collector: ChaosCollector | undefined
}

/** What a saboteur works on. */
export interface SabotageOptions {
  readonly instance: ChaosInstance
  readonly sites: readonly BrokerSite[]
  readonly disk: SmallDisk
  /** Names of the pipelines; hosts bear them. */
  readonly pipelines: readonly string[]
  /** A fault begins, and hits these pipelines. */
  readonly begins: (fault: Fault, target: string, pipelines: readonly number[]) => void
  /** What could not be done, in a sentence. */
  readonly skipped: (fault: Fault, why: string) => void
  /** Something was found that must not be. */
  readonly found: (violation: string) => void
}

/**
 * Carries out a plan of faults on a running edgeboot, its brokers, the connections between them
 * and its disk, and starts again what nobody else would start. What lasts goes on while the next
 * fault strikes; {@link heal} ends it.
 */
export class Saboteur {
  readonly #options: SabotageOptions
  readonly #lasting = new Map<NodeJS.Timeout, () => void>()
  #isOver = false

  constructor(options: SabotageOptions) {
    this.#options = options
  }

  /** Resolves when the last fault of the plan has begun, or earlier after {@link abandon}. */
  async follow(plan: readonly Fault[]): Promise<void> {
    const begun = performance.now()
    for (const fault of plan) {
      while (!this.#isOver) {
        const leftMs = begun + fault.atMs - performance.now()
        if (leftMs <= 0) break
        await sleep(Math.min(leftMs, 100))
      }
      if (this.#isOver) return
      await this.#strike(fault)
    }
  }

  /** Strikes no more. */
  abandon(): void {
    this.#isOver = true
  }

  /** Ends everything that lasts: what was stopped goes on, connections pass, the disk has room. */
  heal(): void {
    for (const [timer, end] of this.#lasting) {
      clearTimeout(timer)
      end()
    }
    this.#lasting.clear()
  }

  async #strike(fault: Fault): Promise<void> {
    if (fault.kind === 'kill') await this.#kill(fault)
    else if (fault.kind === 'stop') await this.#stop(fault)
    else if (fault.kind === 'restart') await this.#restartBroker(fault, 'SIGTERM')
    else if (fault.kind === 'disk') this.#fillDisk(fault)
    else this.#disturb(fault)
  }

  async #kill(fault: Fault): Promise<void> {
    if (fault.victim === 'broker') return this.#restartBroker(fault, 'SIGKILL')
    if (fault.victim === 'main') return this.#killMain(fault)
    const victim = await this.#find(fault)
    if (victim === undefined) return undefined
    this.#options.begins(fault, victim.name, victim.pipelines)
    signal(victim.pid, 'SIGKILL')
    // Or the next fault might choose it again.
    while (isAlive(victim.pid)) await sleep(5)
    return undefined
  }

  async #killMain(fault: Fault): Promise<void> {
    const { instance, begins, found, pipelines } = this.#options
    begins(fault, 'edgeboot', [...pipelines.keys()])
    const orphans = await instance.kill()
    if (orphans.length > 0) {
      found(`processes outlived the main process that was killed: ${orphans.join(', ')}`)
    }
    instance.start()
  }

  async #stop(fault: Fault): Promise<void> {
    const victim = await this.#find(fault)
    if (victim === undefined) return
    this.#options.begins(fault, victim.name, victim.pipelines)
    signal(victim.pid, 'SIGSTOP')
    this.#during(fault.lastsMs, () => signal(victim.pid, 'SIGCONT'))
  }

  async #restartBroker(fault: Fault, how: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { broker, publisher, collector, name } = this.#site(fault)
    this.#options.begins(fault, name, this.#all)
    await publisher?.holdBack()
    await broker.halt(how)
    // One that is stopped in order keeps what it confirmed.
    const forgottenSince = how === 'SIGKILL' ? await broker.forgottenSince() : Infinity
    await sleep(fault.lastsMs)
    await broker.resume()
    await collector?.reconnect()
    await publisher?.brokerIsBack(forgottenSince)
  }

  #disturb(fault: Fault): void {
    const { proxy, name } = this.#site(fault)
    this.#options.begins(fault, name, this.#all)
    if (fault.kind === 'cut') proxy.cut()
    else if (fault.kind === 'silence') proxy.silence()
    else proxy.delay(delayedByMs)
    this.#during(fault.lastsMs, () => proxy.heal())
  }

  #fillDisk(fault: Fault): void {
    const { disk, begins, skipped } = this.#options
    if (disk.refusal !== undefined) {
      skipped(fault, `a small disk could not be mounted (${disk.refusal})`)
      return
    }
    begins(fault, 'the state folder', [])
    disk.fill()
    this.#during(fault.lastsMs, () => disk.free())
  }

  /** @param end - Called when the time is over, or at {@link heal}. */
  #during(lastsMs: number, end: () => void): void {
    const timer = setTimeout(() => {
      this.#lasting.delete(timer)
      end()
    }, lastsMs)
    this.#lasting.set(timer, end)
  }

  get #all(): readonly number[] {
    return [...this.#options.pipelines.keys()]
  }

  #site({ choice }: Fault): BrokerSite {
    const { sites } = this.#options
    const site = sites[Math.floor(choice * sites.length)]
    if (site === undefined) throw new Error('a chaos run has at least one broker')
    return site
  }

  /** Waits for one to be there. */
  async #find(
    fault: Fault,
  ): Promise<{ pid: number; name: string; pipelines: readonly number[] } | undefined> {
    const end = performance.now() + victimMs
    while (performance.now() < end && !this.#isOver) {
      const candidates = this.#candidates(fault)
      const chosen = candidates[Math.floor(fault.choice * candidates.length)]
      if (chosen !== undefined) return chosen
      await sleep(10)
    }
    this.#options.skipped(fault, `no ${fault.victim} was there`)
    return undefined
  }

  #candidates(
    fault: Fault,
  ): readonly { pid: number; name: string; pipelines: readonly number[] }[] {
    const { instance, pipelines } = this.#options
    const main = instance.pid
    if (fault.victim === 'main') {
      return main === undefined ? [] : [{ pid: main, name: 'edgeboot', pipelines: this.#all }]
    }
    if (fault.victim === 'broker') {
      const { broker, name } = this.#site(fault)
      return broker.pid === undefined ? [] : [{ pid: broker.pid, name, pipelines: this.#all }]
    }
    const hosts = main === undefined ? [] : childrenOf(main)
    return hosts.flatMap((host) => {
      const title = titleOf(host)
      const index = pipelines.findIndex((name) => title.includes(name))
      if (index === -1) return []
      const pids = fault.victim === 'host' ? [host] : childrenOf(host)
      return pids.map((pid) => ({ pid, name: pipelines[index] ?? '', pipelines: [index] }))
    })
  }
}

/** What a process calls itself; empty when it is gone. */
function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

import { appendFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EdgebootError } from '../../core/errors.ts'
import { createLogger, type Logger } from '../../core/log.ts'
import { ChaosCollector, filterOf } from './collector.ts'
import { Evidence } from './evidence.ts'
import { Expectations } from './expectations.ts'
import { planFaults, seededRandom, type Fault, type FaultCounts } from './fault-plan.ts'
import { MessagePlan } from './message-plan.ts'
import { ChaosPublisher } from './publisher.ts'
import { RecoveryClock } from './recovery.ts'
import { isSound, type ChaosReport } from './report.ts'
import { Saboteur, type BrokerSite } from './saboteur.ts'
import { ChaosStage, type StageOptions } from './stage.ts'
import { planStreams, type Stream } from './streams.ts'

/** A run without a result or a dead letter for so long has nothing more to come. */
const noProgressMs = 90_000
/** The same when edgeboot says that it is at rest. */
const restMs = 5000
/** Loading a model takes its time. */
const readyMs = 180_000
const lookMs = 250

/** What a run is made of. */
export interface ChaosOptions extends Omit<StageOptions, 'folder'> {
  readonly samples: readonly Readonly<Record<string, unknown>>[]
  readonly poison: readonly Readonly<Record<string, unknown>>[]
  readonly messages: number
  readonly perSecond: number
  /** One message in so many is poison, and as many are no JSON; 0 for none. */
  readonly poisonEvery: number
  readonly undecodableEvery: number
  readonly seed: number
  readonly faults: FaultCounts
  readonly keepFiles: boolean
  /** Ends the run early: what was sent until then is accounted for. */
  readonly signal: AbortSignal
}

/** What a run tells while it goes on. */
export interface ChaosListener {
  phase(text: string): void
  fault(fault: Fault, target: string): void
  note(text: string): void
  progress(counts: { sent: number; arrived: number; expected: number }): void
}

/**
 * One chaos run: sets the stage, sends the messages while the faults strike, heals everything, waits
 * until all is in, and accounts.
 *
 * @throws EdgebootError `CONFIG_INVALID`, `CONFIG_NOT_FOUND`, `CLI_MOSQUITTO_MISSING`,
 * `CLI_CHAOS_NOT_READY`, `CLI_CHAOS_NO_EVENT`.
 */
export async function runChaos(
  options: ChaosOptions,
  listener: ChaosListener,
): Promise<ChaosReport> {
  const folder = await mkdtemp(join(tmpdir(), 'edgeboot-chaos-'))
  const run = new ChaosRun(options, listener, folder)
  let report: ChaosReport | undefined
  try {
    report = await run.run()
    return report
  } finally {
    // Before the folder is put away: its state lies in memory.
    await run.clear()
    const isWorthALook = run.hasStarted && (report === undefined || !isSound(report))
    if (options.keepFiles || isWorthALook) {
      listener.note(`log and configuration of this run are in ${folder}`)
    } else await rm(folder, { recursive: true, force: true })
  }
}

class ChaosRun {
  /** Edgeboot was started: there is something to look into. */
  hasStarted = false
  readonly #options: ChaosOptions
  readonly #listener: ChaosListener
  readonly #folder: string
  /** What its own connections see. */
  readonly #log: Logger
  readonly #publishers: ChaosPublisher[] = []
  /** By the name of their broker. */
  readonly #collectors = new Map<string, ChaosCollector>()
  readonly #recovery = new RecoveryClock()
  readonly #violations: string[] = []
  readonly #skipped: string[] = []
  readonly #struck: Record<string, number> = {}
  /** What puts away what was set up, in the order of setting up. */
  readonly #clearing: (() => unknown)[] = []

  constructor(options: ChaosOptions, listener: ChaosListener, folder: string) {
    this.#options = options
    this.#listener = listener
    this.#folder = folder
    this.#log = createLogger((level, event, fields) => {
      const line = JSON.stringify({ time: new Date().toISOString(), level, event, ...fields })
      appendFileSync(join(folder, 'chaos.log'), `${line}\n`)
    }, 'info')
  }

  async run(): Promise<ChaosReport> {
    this.#listener.phase('starting the brokers')
    const folder = this.#folder
    const stage = await ChaosStage.open({ ...this.#options, folder }, (clear) =>
      this.#clearing.push(clear),
    )
    const { settings, instance } = stage
    const streams = planStreams(settings, this.#options.samples)
    const plan = new MessagePlan({ ...this.#options, streams })
    const expectations = new Expectations(settings.pipelines, plan)
    for (const note of expectations.check(streams)) this.#listener.note(note)
    const evidence = new Evidence(settings)
    await this.#collect(stage, expectations)
    this.#listener.phase('starting edgeboot and its models')
    this.hasStarted = true
    instance.start()
    await instance.ready(readyMs)
    // Sessions and subscriptions: a broker that is killed must remember them.
    await Promise.all(stage.places.map(({ broker }) => broker.saved()))

    this.#listener.phase('sending messages while things break')
    const begunAt = performance.now()
    const saboteur = await this.#publish(stage, streams, plan, expectations)
    await this.#whileThingsBreak(saboteur, expectations, stage.places.length)
    const healedAt = performance.now()
    this.#listener.phase('everything is healed; waiting until all is in')
    await this.#untilAllIsIn(stage, expectations, evidence)
    const recoveredMs = Math.round(performance.now() - healedAt)
    await this.#checkHealth(stage)
    this.#listener.phase('stopping edgeboot and accounting')
    const status = await instance.stop()
    if (status !== 0) this.#violations.push(`edgeboot stopped with status ${status}`)
    expectations.takeLetters(evidence.letters())
    const accounts = expectations.ledger.accounts((name) => evidence.dropsOf(name))
    return {
      seed: this.#options.seed,
      config: this.#options.config,
      messages: expectations.sent,
      seconds: Math.round((healedAt - begunAt) / 100) / 10,
      faults: this.#struck,
      accounts,
      lost: accounts.reduce((sum, { lost }) => sum + lost, 0),
      inversions: accounts.reduce((sum, { inversions }) => sum + inversions.length, 0),
      recovery: this.#recovery.summary(),
      recoveredMs,
      violations: this.#violations,
      skipped: this.#skipped,
    }
  }

  /** Puts everything away that still runs. Never throws. */
  async clear(): Promise<void> {
    for (const clear of this.#clearing.splice(0).toReversed()) {
      try {
        await clear()
      } catch (thrown) {
        this.#listener.note(`could not be put away: ${String(thrown)}`)
      }
    }
  }

  async #collect({ places, settings }: ChaosStage, expectations: Expectations): Promise<void> {
    for (const { settings: broker } of places) {
      const templates = settings.pipelines.flatMap(({ sink }) =>
        sink.broker.name === broker.name ? [filterOf(sink.topic)] : [],
      )
      const [only, ...others] = new Set(templates)
      if (only === undefined) continue
      const collector = new ChaosCollector({
        broker,
        // Overlapping subscriptions would bring results twice.
        filter: others.length === 0 ? only : '#',
        recordsFolder: join(this.#folder, 'collector'),
        log: this.#log,
        result: (id) => {
          const found = expectations.collected(id)
          if (found === undefined) return
          this.#recovery.answered(found.pipeline, found.sentAt, performance.now())
        },
      })
      this.#collectors.set(broker.name, collector)
      this.#clearing.push(() => collector.close())
      await collector.start()
    }
  }

  async #publish(
    stage: ChaosStage,
    streams: readonly Stream[],
    plan: MessagePlan,
    expectations: Expectations,
  ): Promise<Saboteur> {
    const sites: BrokerSite[] = []
    for (const { settings, broker, proxy } of stage.places) {
      const { name } = settings
      const site = { name, broker, proxy, collector: this.#collectors.get(name) }
      const indexes = indexesOf(name, streams, plan.length)
      if (indexes.length === 0) {
        sites.push({ ...site, publisher: undefined })
        continue
      }
      const publisher = new ChaosPublisher({
        broker: settings,
        log: this.#log,
        indexes,
        messageAt: (index) => plan.at(index),
        sent: (index) => expectations.published(index, performance.now()),
      })
      this.#publishers.push(publisher)
      this.#clearing.push(() => publisher.close())
      await publisher.start()
      sites.push({ ...site, publisher })
    }
    return this.#saboteur(stage, sites)
  }

  #saboteur({ instance, disk, settings }: ChaosStage, sites: readonly BrokerSite[]): Saboteur {
    const saboteur = new Saboteur({
      instance,
      sites,
      disk,
      pipelines: settings.pipelines.map(({ name }) => name),
      begins: (fault, target, pipelines) => {
        const label = labelOf(fault)
        this.#struck[label] = (this.#struck[label] ?? 0) + 1
        this.#recovery.faulted(label, pipelines, performance.now())
        this.#listener.fault(fault, target)
      },
      skipped: (fault, why) => {
        this.#skipped.push(`${labelOf(fault)}: ${why}`)
        this.#listener.note(`${labelOf(fault)} left out: ${why}`)
      },
      found: (violation) => this.#violations.push(violation),
    })
    this.#clearing.push(() => {
      saboteur.abandon()
      saboteur.heal()
    })
    return saboteur
  }

  /** Until the last message is due and the last fault has struck; then all is healed. */
  async #whileThingsBreak(
    saboteur: Saboteur,
    expectations: Expectations,
    brokers: number,
  ): Promise<void> {
    const { seed, signal } = this.#options
    const faults = brokers === 1 ? this.#options.faults : withoutBrokerKills(this.#options.faults)
    const spanMs = (this.#options.messages / this.#options.perSecond) * 1000
    const plan = planFaults(faults, spanMs, seededRandom(seed))
    const ticking = setInterval(() => this.#tellProgress(expectations), lookMs)
    signal.addEventListener('abort', () => saboteur.abandon())
    // An early end is no failure.
    const lastMessage = sleep(spanMs, undefined, { signal }).catch(() => {})
    try {
      await Promise.all([saboteur.follow(plan), lastMessage])
    } finally {
      clearInterval(ticking)
      saboteur.heal()
    }
    if (signal.aborted) for (const publisher of this.#publishers) publisher.endEarly()
  }

  /**
   * Until each message has come out, or edgeboot has nothing left that could: it is at rest, and
   * nothing came for a while. What is missing then, the account says.
   */
  async #untilAllIsIn(
    { instance }: ChaosStage,
    expectations: Expectations,
    evidence: Evidence,
  ): Promise<void> {
    const { ledger } = expectations
    let known = -1
    let progressAt = performance.now()
    let idleMs = 0
    while (idleMs < noProgressMs) {
      expectations.takeLetters(evidence.letters())
      const isSent = this.#publishers.every((publisher) => publisher.isDone)
      if (isSent && ledger.settled >= ledger.expected) return
      if (ledger.settled > known) progressAt = performance.now()
      known = ledger.settled
      idleMs = performance.now() - progressAt
      if (isSent && idleMs > restMs && (await instance.isAtRest())) return
      this.#tellProgress(expectations)
      await sleep(lookMs)
    }
  }

  async #checkHealth({ instance }: ChaosStage): Promise<void> {
    try {
      await instance.ready(noProgressMs)
    } catch (error) {
      if (!(error instanceof EdgebootError)) throw error
      this.#violations.push(error.message)
    }
  }

  #tellProgress(expectations: Expectations): void {
    const { arrived, expected } = expectations.ledger
    this.#listener.progress({ sent: expectations.sent, arrived, expected })
  }
}

/**
 * Restarts in order instead. One broker that is killed goes back in time as a whole, with what was
 * read and what was answered; of several, one would forget answers to what another has let go.
 */
function withoutBrokerKills({ kills, troubles }: FaultCounts): FaultCounts {
  return {
    kills: { ...kills, broker: 0 },
    troubles: { ...troubles, restart: (troubles.restart ?? 0) + kills.broker },
  }
}

/** Such as `kill host`. */
function labelOf({ kind, victim }: Fault): string {
  if (kind === 'disk') return 'fill disk'
  return `${kind} ${victim}`
}

function indexesOf(broker: string, streams: readonly Stream[], messages: number): number[] {
  const indexes: number[] = []
  for (let index = 0; index < messages; index++) {
    if (streams[index % streams.length]?.broker === broker) indexes.push(index)
  }
  return indexes
}

import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { PipelineStats } from '../../src/pipeline/pipeline-stats.ts'
import type { PipelineStatus } from '../../src/host/system-view.ts'
import type { EdgebootProcess, LogLine } from './edgeboot-process.ts'
import type { Mosquitto } from './mosquitto.ts'
import { MqttPeer } from './mqtt-peer.ts'
import { processesIn } from './processes-in.ts'
import { type Stretch, SteadyTraffic } from './steady-traffic.ts'
import { until } from './wait.ts'
import { echoPython, echoTypeScript, Workbench } from './workbench.ts'

/** A model of `test/fixtures/misbehaving`, and how it is to be run. */
export interface Resident {
  /** Further keys of its func, as YAML. */
  readonly func?: string
  /** How often an event is tried that ends its runner, or does not come back; 2 by default. */
  readonly attempts?: number
  /** How many of its events misbehave; 1 by default. */
  readonly culprits?: number
  /** False for one that takes along what is in its batch: each event waits for the one before. */
  readonly together?: boolean
}

type RunningPipeline = PipelineStatus & { readonly stats: PipelineStats }

/** By the name of the model. */
export type Residents = Readonly<Record<string, Resident>>

/** What became of the messages of a model that misbehaves. */
export interface Incident {
  /** Numbers of the events that were answered, as the results came. */
  readonly answered: readonly number[]
  readonly stats: PipelineStats
  /** Of its host. */
  readonly restarts: number
  /** What was dropped; messages that come again are not. */
  readonly dropped: Readonly<Record<string, number>>
  /** Results of each neighbour between the event that misbehaves and the one behind it. */
  readonly meanwhile: readonly number[]
}

const fixtures = join(import.meta.dirname, '..', 'fixtures', 'misbehaving')
const neighbours = ['typescript-neighbour', 'python-neighbour']
const perSecond = 100
/** Answers of each neighbour in a window that is compared. */
const windowAnswers = 100
/** Much longer than an event takes on a machine with much else to do, or it would be tried again. */
const defaultFunc = 'timeout: 400ms'
/** A search in halves, attempts, grace for SIGTERM, pauses before restarts, on a machine with much else to do. */
const incidentMsMax = 60_000

/**
 * One edgeboot that runs models that misbehave, each in a rule of its own at QoS 1, and beside them a
 * healthy Python and a healthy TypeScript model with steady traffic, from the first moment to the last.
 */
export class Neighbourhood {
  readonly #bench: Workbench
  readonly #edgeboot: EdgebootProcess
  readonly #peer: MqttPeer
  readonly #traffic: readonly SteadyTraffic[]
  readonly #hosts: readonly (number | undefined)[]
  #before: readonly Stretch[] = []

  private constructor(
    bench: Workbench,
    edgeboot: EdgebootProcess,
    peer: MqttPeer,
    traffic: readonly SteadyTraffic[],
    hosts: readonly (number | undefined)[],
  ) {
    this.#bench = bench
    this.#edgeboot = edgeboot
    this.#peer = peer
    this.#traffic = traffic
    this.#hosts = hosts
  }

  /** Starts it, and sees how the neighbours do while all behave. */
  static async open(
    broker: Mosquitto,
    language: 'python' | 'typescript',
    residents: Residents,
  ): Promise<Neighbourhood> {
    const bench = await Workbench.open()
    await bench.write('models/typescript-neighbour/index.ts', echoTypeScript)
    await bench.write('models/python-neighbour/index.py', echoPython)
    for (const model of Object.keys(residents)) {
      const folder = join(bench.folder, 'models', model)
      await cp(join(fixtures, language, model), folder, { recursive: true })
    }
    const edgeboot = bench.run(
      await bench.write('config.yaml', configuration(broker.port, residents)),
    )
    await edgeboot.ready()
    const peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`)
    await peer.subscribe(...Object.keys(residents).map((model) => `out/${model}`))
    const traffic = await Promise.all(
      neighbours.map((rule) => SteadyTraffic.start(peer, rule, perSecond)),
    )
    const hosts = neighboursOf(await edgeboot.pipelines()).map(({ pid }) => pid)
    const neighbourhood = new Neighbourhood(bench, edgeboot, peer, traffic, hosts)
    await neighbourhood.#windowSince([0, 0])
    // What was compiled and connected first is no measure.
    const warm = traffic.map(({ answers }) => answers.length)
    await neighbourhood.#windowSince(warm)
    neighbourhood.#before = traffic.map((one, i) => one.since(warm[i] ?? 0))
    return neighbourhood
  }

  /**
   * Has a model misbehave, waits until the event behind that is answered, and another after all is
   * over; and writes how the neighbours did before and meanwhile.
   */
  async misbehave(
    t: TestContext,
    model: string,
    { culprits = 1, together = true }: Resident,
  ): Promise<Incident> {
    await this.#send(model, { n: 0 })
    await this.#answerTo(model, 0)
    const from = this.#traffic.map(({ answers }) => answers.length)
    for (let n = 1; n <= culprits; n++) {
      await this.#send(model, { n, misbehave: true })
      if (!together) await this.#quiet(model, n + 1)
    }
    await this.#send(model, { n: culprits + 1 })
    await this.#answerTo(model, culprits + 1)
    const meanwhile = this.#traffic.map(({ answers }, i) => answers.length - (from[i] ?? 0))
    await this.#send(model, { n: culprits + 2 })
    await this.#answerTo(model, culprits + 2)
    await this.#windowSince(from)
    for (const [i, traffic] of this.#traffic.entries()) {
      const [before, during] = [this.#before[i], traffic.since(from[i] ?? 0)].map(stretchText)
      t.diagnostic(`${traffic.rule} beside ${model}: p50/p99 ${before} before, ${during} during`)
    }
    const { stats, restarts } = await this.#quiet(model, culprits + 3)
    return {
      answered: this.#answersOf(model),
      stats,
      restarts,
      dropped: Object.fromEntries(
        Object.entries(stats.dropped).filter(
          ([reason, count]) => count > 0 && reason !== 'unacknowledged',
        ),
      ),
      meanwhile,
    }
  }

  /** What the log tells of the rule of a model. */
  linesOf(model: string): LogLine[] {
    return this.#edgeboot.lines.filter(({ rule }) => rule === model)
  }

  /** The neighbours have not noticed anything so far: every message answered once and in order, by those who began. */
  async assertUntouched(): Promise<void> {
    const pipelines = neighboursOf(await this.#edgeboot.pipelines())
    assert.deepEqual(
      pipelines.map(({ rule, state, restarts, pid, stats }) => {
        const { runnerRestarts, retried, reconnects, dropped } = stats
        const drops = Object.values(dropped).reduce((sum, count) => sum + count)
        return { rule, state, restarts, pid, runnerRestarts, retried, reconnects, drops }
      }),
      neighbours.map((rule, i) => {
        const untouched = { restarts: 0, runnerRestarts: 0, retried: 0, reconnects: 0, drops: 0 }
        return { rule, state: 'READY', pid: this.#hosts[i], ...untouched }
      }),
    )
    for (const { answers, rule } of this.#traffic) {
      const stray = answers.findIndex((n, i) => n !== i)
      assert.equal(stray, -1, `${rule}: answer ${stray} is ${answers[stray]}`)
      const left = this.linesOf(rule).find(({ was }) => was === 'READY')
      assert.equal(left, undefined, `${rule} was not READY all the time`)
    }
  }

  /** Ends the traffic when all is answered, then edgeboot, and looks for what it has left running. */
  async assertEndsWell(): Promise<void> {
    for (const traffic of this.#traffic) {
      traffic.stop()
      await until(`every answer to ${traffic.rule}`, () => traffic.answers.length >= traffic.sent)
    }
    await this.assertUntouched()
    assert.equal(await this.#edgeboot.stop(), 0)
    await until(
      'every process to be gone',
      () => processesIn(this.#bench.folder).length === 0,
    ).catch(() => assert.deepEqual(processesIn(this.#bench.folder), []))
  }

  async close(): Promise<void> {
    for (const traffic of this.#traffic) traffic.stop()
    await this.#peer.end()
    await this.#bench.close()
  }

  #send(model: string, event: object): Promise<void> {
    return this.#peer.publish(`in/${model}`, JSON.stringify(event), { qos: 1 })
  }

  /** A model that starts processes answers with their ids instead: that counts as event 1. */
  #answersOf(model: string): number[] {
    return this.#peer.messages
      .filter(({ topic }) => topic === `out/${model}`)
      .map(({ text }) => (JSON.parse(text) as { n?: number }).n ?? 1)
  }

  async #answerTo(model: string, n: number): Promise<void> {
    await until(
      `${model} to answer event ${n}`,
      () => this.#answersOf(model).includes(n),
      incidentMsMax,
    )
  }

  /** Waits until all that was sent has come to its end, and gives the counts. */
  #quiet(model: string, sent: number): Promise<RunningPipeline> {
    const account = `${model} to account for ${sent} messages`
    return until(
      account,
      async () => {
        const pipelines = await this.#edgeboot.pipelines()
        const pipeline = pipelines.find(({ rule }) => rule === model)
        const { inMotion, unacknowledged, received = 0 } = pipeline?.stats ?? {}
        const isQuiet = inMotion === 0 && unacknowledged === 0
        return isQuiet && received >= sent ? pipeline : undefined
      },
      incidentMsMax,
    )
  }

  async #windowSince(from: readonly number[]): Promise<void> {
    for (const [i, { answers, rule }] of this.#traffic.entries()) {
      const enough = (from[i] ?? 0) + windowAnswers
      await until(`${windowAnswers} answers of ${rule}`, () => answers.length >= enough)
    }
  }
}

function neighboursOf(pipelines: readonly RunningPipeline[]): RunningPipeline[] {
  return neighbours.flatMap((name) => pipelines.find(({ rule }) => rule === name) ?? [])
}

function stretchText(stretch: Stretch | undefined): string {
  return `${stretch?.p50Ms.toFixed(1)}/${stretch?.p99Ms.toFixed(1)} ms`
}

function configuration(port: number, residents: Residents): string {
  const names = [...neighbours, ...Object.keys(residents)]
  const rules = names.map((name) => {
    const { attempts = 2 } = residents[name] ?? {}
    return (
      `  - name: ${name}\n` +
      `    sub: { name: plant, topic: in/${name} }\n` +
      `    pub: { name: plant, topic: out/${name} }\n` +
      `    funcs: [${name}]\n    onError: { attempts: ${attempts} }\n`
    )
  })
  const funcs = names.map((name) => {
    const { func } = { func: name in residents ? defaultFunc : '', ...residents[name] }
    return `  - { modelName: ${name}, ${func} }\n`
  })
  return (
    `mqtts: [{ name: plant, broker: "tcp://127.0.0.1:${port}", qos: 1 }]\n` +
    `rules:\n${rules.join('')}funcs:\n${funcs.join('')}` +
    `models: { folder: models }\nweb: { port: 0 }\n`
  )
}

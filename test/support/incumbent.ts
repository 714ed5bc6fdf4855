import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { EdgebootProcess, LogLine } from './edgeboot-process.ts'
import { Mosquitto } from './mosquitto.ts'
import { MqttPeer } from './mqtt-peer.ts'
import { SteadyTraffic } from './steady-traffic.ts'
import { until } from './wait.ts'
import { Workbench } from './workbench.ts'

/** A package as it is offered: a file on the disk, and what else the configuration says of it. */
export interface Offer {
  readonly zip: Buffer
  /** Its signature, in a file beside it. */
  readonly signature?: Buffer
  /** Further lines of the func. */
  readonly func?: string
}

/** Building an environment for Python takes a while on a busy machine. */
const reloadMsMax = 60_000

/** What an incumbent stands on. */
export interface IncumbentOptions {
  /** Further keys of `models`, as in `require: sha256`. */
  readonly models?: string
  /** Of the models. Default: one below the workbench. */
  readonly folder?: string
}

/**
 * A version that serves, under steady traffic at QoS 1, while others are offered in its place: 100
 * messages per second, and what became of each.
 */
export class Incumbent {
  readonly #broker: Mosquitto
  readonly #bench: Workbench
  readonly #peer: MqttPeer
  readonly #edgeboot: EdgebootProcess
  readonly #traffic: SteadyTraffic
  readonly #models: string
  #offers = 0

  private constructor(parts: {
    broker: Mosquitto
    bench: Workbench
    peer: MqttPeer
    edgeboot: EdgebootProcess
    traffic: SteadyTraffic
    models: string
  }) {
    this.#broker = parts.broker
    this.#bench = parts.bench
    this.#peer = parts.peer
    this.#edgeboot = parts.edgeboot
    this.#traffic = parts.traffic
    this.#models = parts.models
  }

  /** @param first - Repeats its events. */
  static async start(first: Offer, options: IncumbentOptions = {}): Promise<Incumbent> {
    const broker = await Mosquitto.start()
    const bench = await Workbench.open()
    const peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`)
    const { folder = 'models', models } = options
    const written = `models: { folder: ${folder}${models === undefined ? '' : `, ${models}`} }`
    const config = await writeOffer(bench, broker, 'first', first, written)
    const edgeboot = bench.run(config)
    await edgeboot.ready()
    const traffic = await SteadyTraffic.start(peer, 'model', 100)
    return new Incumbent({ broker, bench, peer, edgeboot, traffic, models: written })
  }

  /** Reasons that the log gives why this was not taken. Asserts that the incumbent goes on. */
  async refuses(offer: Offer): Promise<string> {
    const edgeboot = this.#edgeboot
    const [was] = await edgeboot.pipelines()
    const told = edgeboot.lines.length
    await writeOffer(this.#bench, this.#broker, `offer-${++this.#offers}`, offer, this.#models)
    await fetch(`${await edgeboot.address()}/api/v1/reload`, { method: 'POST' })
    const since = (): readonly LogLine[] => edgeboot.lines.slice(told)
    const isOver = ({ event }: LogLine): boolean =>
      event === 'reload.applied' || event === 'reload.nothing-changed'
    await until('the end of the reload', () => since().find(isOver), reloadMsMax)
    const answered = this.#traffic.answers.length
    await until('further answers', () => this.#traffic.answers.length > answered + 20)
    await edgeboot.ready()
    const [is] = await edgeboot.pipelines()
    assert.equal(is?.modelVersion, was?.modelVersion)
    const warnings = since().filter(({ level }) => level === 'warn' || level === 'error')
    return warnings
      .map((line) => `${line.event}: ${String(line['reason'] ?? line['error'])}`)
      .join('\n')
  }

  /** Ends the traffic, and asserts that every message was answered once and in order. */
  async assertServedAll(): Promise<void> {
    const { answers } = this.#traffic
    this.#traffic.stop()
    await until('the last answer', () => answers.length >= this.#traffic.sent)
    assert.deepEqual(
      answers,
      Array.from({ length: this.#traffic.sent }, (_, n) => n),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#traffic.stop()
    await this.#peer.end()
    await this.#bench.close()
    await this.#broker.stop()
  }
}

async function writeOffer(
  bench: Workbench,
  broker: Mosquitto,
  name: string,
  { zip, signature, func = '' }: Offer,
  models: string,
): Promise<string> {
  const path = join('packages', `${name}.zip`)
  await bench.write(path, zip)
  if (signature !== undefined) await bench.write(`${path}.minisig`, signature)
  const lines = `modelAddress: ${path}\npython: /usr/bin/python3\n${func}`.trimEnd()
  return await bench.configure(broker.port, { model: lines }, { broker: 'qos: 1', models })
}

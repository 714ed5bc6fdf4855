import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Mosquitto } from '../test/support/mosquitto.ts'
import { inputFilter } from './messages.ts'

/** A Mosquitto of its own for every run, so that no run sees the sessions of another. */
export class BenchBroker {
  readonly port: number
  readonly pid: number
  readonly #mosquitto: Mosquitto
  readonly #logFile: string

  private constructor(mosquitto: Mosquitto, pid: number, logFile: string) {
    this.port = mosquitto.port
    this.pid = pid
    this.#mosquitto = mosquitto
    this.#logFile = logFile
  }

  /** Nothing on the disk, no limit to what waits, room for every window. */
  static async start(folder: string, extra: readonly string[]): Promise<BenchBroker> {
    const logFile = join(folder, 'broker.log')
    const pidFile = join(folder, 'broker.pid')
    const mosquitto = await Mosquitto.start([
      'allow_anonymous true',
      'max_queued_messages 0',
      'max_inflight_messages 10000',
      `log_dest file ${logFile}`,
      'log_type subscribe',
      `pid_file ${pidFile}`,
      ...extra,
    ])
    return new BenchBroker(mosquitto, Number(await readFile(pidFile, 'utf8')), logFile)
  }

  /**
   * The QoS of the subscription to the input, as the broker saw it: what a contestant says of
   * itself may be wrong. `undefined` when nobody subscribed.
   */
  async inputQos(): Promise<number | undefined> {
    const lines = (await readFile(this.#logFile, 'utf8')).split('\n')
    // Such as `1700000000: some-client 1 bench/+/telemetry`.
    const line = lines.findLast((line) => line.endsWith(` ${inputFilter}`))
    return line === undefined ? undefined : Number(line.split(' ').at(-2))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#mosquitto.stop()
  }
}

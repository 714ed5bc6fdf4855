import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canConnect, freePort } from '../../src/cli/chaos/local-broker.ts'
import { needs } from './requirements.ts'
import { until } from './wait.ts'

/** For `{ skip: needsMosquitto }`. Debian installs it in /usr/sbin, which is not on every PATH. */
const mosquittoCommand = '/usr/sbin/mosquitto'
export const needsMosquitto = needs(mosquittoCommand, 'apt-get install mosquitto')

const startsMax = 3

/** Longest that one save may take: a file of this age holds everything from before it was begun. */
export const savingMs = 250

const referenceFile = join(import.meta.dirname, '..', '..', 'deploy', 'mosquitto', 'mosquitto.conf')

/** A real Mosquitto on loopback, in a folder of its own. */
export class Mosquitto {
  readonly port: number
  readonly #folder: string
  #child: ChildProcess | undefined

  private constructor(port: number, folder: string) {
    this.port = port
    this.#folder = folder
  }

  /**
   * @param extra - Lines for `mosquitto.conf` besides the listener on {@link port}.
   */
  static start(extra: readonly string[] = ['allow_anonymous true']): Promise<Mosquitto> {
    return Mosquitto.#startWith(({ port }) => {
      const lines = [`listener ${port} 127.0.0.1`, 'persistence false', 'user root', ...extra]
      return Promise.resolve(lines)
    })
  }

  /**
   * Starts it with the lines of `deploy/mosquitto/mosquitto.conf`, so that what is tested is what is
   * recommended; the port and the folder alone are its own.
   */
  static startAsReference(): Promise<Mosquitto> {
    return Mosquitto.#startWith(async ({ port, folder }) => {
      const own = new Map([
        ['listener', `listener ${port} 127.0.0.1`],
        ['persistence_location', `persistence_location ${folder}/`],
      ])
      const lines = (await readFile(referenceFile, 'utf8')).split('\n').map((line) => {
        return own.get(line.split(' ', 1)[0] ?? '') ?? line
      })
      return [...lines, 'user root']
    })
  }

  /** A port that was free may be another test's by now: then another one is tried. */
  static async #startWith(
    linesOf: (broker: Mosquitto) => Promise<readonly string[]>,
  ): Promise<Mosquitto> {
    const folder = await mkdtemp(join(tmpdir(), 'mosquitto-'))
    for (let attempt = 1; ; attempt++) {
      const broker = new Mosquitto(await freePort(), folder)
      const lines = await linesOf(broker)
      await writeFile(join(folder, 'mosquitto.conf'), [...lines, ''].join('\n'))
      try {
        await broker.resume()
        return broker
      } catch (error) {
        if (attempt === startsMax) throw error
      }
    }
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** When it last saved what it holds, in milliseconds since 1970; 0 before the first time. */
  async savedAt(): Promise<number> {
    const file = join(this.#folder, 'mosquitto.db')
    return (await stat(file).catch(() => undefined))?.mtimeMs ?? 0
  }

  /** Waits until what it holds now is on the disk. */
  async saved(): Promise<void> {
    const begun = Date.now() + savingMs
    await until('mosquitto to save', async () => (await this.savedAt()) > begun)
  }

  /** Folder of its configuration, for password and certificate files. */
  get folder(): string {
    return this.#folder
  }

  /** Starts it (again) on the same port. */
  async resume(): Promise<void> {
    const child = spawn(mosquittoCommand, ['-c', join(this.#folder, 'mosquitto.conf')], {
      stdio: 'ignore',
    })
    this.#child = child
    await until('mosquitto to listen', () => {
      if (child.exitCode !== null) throw new Error(`mosquitto exited with ${child.exitCode}`)
      return canConnect(this.port)
    })
  }

  /** Ends the process and leaves the folder, so that `resume` can follow. */
  async halt(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }

  async stop(): Promise<void> {
    await this.halt()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

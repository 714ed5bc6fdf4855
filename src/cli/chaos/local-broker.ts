import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { EdgebootError } from '../../core/errors.ts'
import { signal } from './process-tree.ts'

/** Longest that one save may take: a file of this age holds everything from before it was begun. */
const savingMs = 250
/** A broker that does not listen by then does not start. */
const startMs = 10_000
const startsMax = 3
/** It is told to save every second, and takes up to three. */
const saveMs = 20_000

/** Mosquitto as edgeboot recommends it, beside `src` and beside `dist`. */
const referenceFile = fileURLToPath(
  new URL('../../../deploy/mosquitto/mosquitto.conf', import.meta.url),
)

/**
 * Where Mosquitto is: the one that is named, else on the PATH, else where Debian has it.
 *
 * @throws EdgebootError `CLI_MOSQUITTO_MISSING`.
 */
export function findMosquitto(
  named: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const folders = [...(env['PATH'] ?? '').split(delimiter).filter(Boolean), '/usr/sbin']
  const candidates =
    named === undefined ? folders.map((folder) => join(folder, 'mosquitto')) : [named]
  const found = candidates.find(isExecutable)
  if (found !== undefined) return found
  throw new EdgebootError(
    'CLI_MOSQUITTO_MISSING',
    named === undefined
      ? `no mosquitto on the PATH nor in /usr/sbin`
      : `${named} is no program that can be started`,
  )
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * A Mosquitto of our own on loopback, with the lines of `deploy/mosquitto/mosquitto.conf` and a
 * folder of its own: it can be killed, stopped and started again on the same port.
 */
export class LocalBroker {
  readonly port: number
  readonly #command: string
  readonly #folder: string
  #child: ChildProcess | undefined

  private constructor(command: string, folder: string, port: number) {
    this.#command = command
    this.#folder = folder
    this.port = port
  }

  /**
   * @param folder - Made for it; what it holds is written there.
   * @throws EdgebootError `CLI_MOSQUITTO_MISSING` when it does not start.
   */
  static async start(command: string, folder: string): Promise<LocalBroker> {
    await mkdir(folder, { recursive: true })
    for (let attempt = 1; ; attempt++) {
      const broker = new LocalBroker(command, folder, await freePort())
      await broker.#configure()
      try {
        await broker.resume()
        return broker
      } catch (error) {
        // The port may be another's by now.
        if (attempt === startsMax) throw error
      }
    }
  }

  async #configure(): Promise<void> {
    const own = new Map([
      ['listener', `listener ${this.port} 127.0.0.1`],
      ['persistence_location', `persistence_location ${this.#folder}/`],
    ])
    const lines = (await readFile(referenceFile, 'utf8'))
      .split('\n')
      .map((line) => own.get(line.split(' ', 1)[0] ?? '') ?? line)
    // As root it would become a user who may not write to the folder.
    const asItself = process.getuid?.() === 0 ? ['user root'] : []
    await writeFile(join(this.#folder, 'mosquitto.conf'), [...lines, ...asItself, ''].join('\n'))
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Starts it (again). */
  async resume(): Promise<void> {
    const child = spawn(this.#command, ['-c', join(this.#folder, 'mosquitto.conf')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      // Ctrl-C is for the chaos run, which stops it in order.
      detached: true,
    })
    this.#child = child
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)))
    child.on('error', (error) => (said = error.message))
    const giveUpAt = performance.now() + startMs
    while (!(await canConnect(this.port))) {
      if (child.exitCode !== null || child.pid === undefined || performance.now() > giveUpAt) {
        await this.halt('SIGKILL')
        throw new EdgebootError(
          'CLI_MOSQUITTO_MISSING',
          `${this.#command} did not start on port ${this.port}: ${said.trim() || 'it said nothing'}`,
        )
      }
      await sleep(20)
    }
  }

  /** Ends the process; {@link resume} can follow. Idempotent. */
  async halt(name: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    signal(child.pid, name)
    // It may be stopped, and would then hear nothing but SIGKILL.
    signal(child.pid, 'SIGCONT')
    await gone
  }

  /**
   * From when on it has forgotten what it confirmed, if it was killed just now: what it has on its
   * disk is from before. Milliseconds since 1970.
   */
  async forgottenSince(): Promise<number> {
    const file = join(this.#folder, 'mosquitto.db')
    const saved = await stat(file).catch(() => undefined)
    return saved === undefined ? 0 : saved.mtimeMs - savingMs
  }

  /**
   * Waits until what it holds now is on its disk.
   *
   * @throws EdgebootError `CLI_MOSQUITTO_MISSING` for one that saves nothing.
   */
  async saved(): Promise<void> {
    const begun = Date.now()
    while ((await this.forgottenSince()) <= begun) {
      if (Date.now() - begun > saveMs) {
        throw new EdgebootError(
          'CLI_MOSQUITTO_MISSING',
          `${this.#command} saved nothing in ${this.#folder} for ${saveMs / 1000} s`,
        )
      }
      await sleep(50)
    }
  }
}

/** A TCP port of the loopback interface that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Whether somebody listens on a port of the loopback interface. */
export function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

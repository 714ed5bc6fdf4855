import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { needs } from './requirements.ts'
import { until } from './wait.ts'

/** For `{ skip: needsMosquitto }`. Debian installs it in /usr/sbin, which is not on every PATH. */
const mosquittoCommand = '/usr/sbin/mosquitto'
export const needsMosquitto = needs(mosquittoCommand, 'apt-get install mosquitto')

/** A TCP port of the loopback interface that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  server.close()
  await once(server, 'close')
  return address.port
}

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
  static async start(extra: readonly string[] = ['allow_anonymous true']): Promise<Mosquitto> {
    const broker = new Mosquitto(await freePort(), await mkdtemp(join(tmpdir(), 'mosquitto-')))
    const lines = [`listener ${broker.port} 127.0.0.1`, 'persistence false', 'user root', ...extra]
    await writeFile(join(broker.#folder, 'mosquitto.conf'), lines.join('\n') + '\n')
    await broker.resume()
    return broker
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

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

import { spawn, type ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'
import type { Clock, Timer } from '../core/clock.ts'
import { entryPath } from '../core/entry.ts'
import type { EdgebootError } from '../core/errors.ts'
import type { LogFields, LogLevel } from '../core/log.ts'
import { childMark, markVariable } from '../core/process-mark.ts'
import { PrintedLines } from '../runtime/printed-lines.ts'
import { HostChannel, hostFault } from './host-channel.ts'
import {
  channelDescriptor,
  fromHost,
  fromHostBytesPerSecondMax,
  lifelineDescriptor,
  toHost,
  type FromHost,
  type ToHost,
} from './host-messages.ts'
import { endAllOf } from './orphan-sweep.ts'
import { parseFromHost } from './parse-from-host.ts'

/** After its exit, how long its last messages are waited for. */
const leftoversMs = 500

/** A host process as its supervisor sees it. */
export interface HostProcess {
  readonly pid: number | undefined
  /** What it wrote to stderr last, oldest first: the last words of a crash. */
  readonly lastLines: readonly string[]
  send(message: ToHost): void
  kill(signal: NodeJS.Signals): void
}

/** What a host process tells. `exited` comes once and last. */
export interface HostProcessListener {
  message(message: FromHost): void
  /** No more messages go either way: it is about to exit, or its descriptors were meddled with. */
  disconnected(): void
  /** A line on its stdout or stderr: of an inline model, or of a crash. Bounded in length and rate. */
  printed(level: LogLevel, fields: LogFields): void
  /** It said what the protocol does not allow, and is killed: `exited` follows. */
  broke(error: EdgebootError): void
  exited(code: number | null, signal: NodeJS.Signals | null): void
}

/** Starts a host process; replaced in tests of the supervisor. */
export type StartHostProcess = (
  name: string,
  environment: Readonly<Record<string, string>>,
  listener: HostProcessListener,
) => HostProcess

/**
 * Starts hosts. The environment of each is what it is given, and its mark; broker credentials travel
 * over the channel, where no process list shows them. What a host leaves behind that did not end in order is
 * ended by that mark.
 *
 * @param mark - Of this process; without one, hosts are not marked and not swept up after.
 */
export function hostStarter(clock: Clock, mark?: string): StartHostProcess {
  let number = 0
  return (name, environment, listener) => {
    if (mark === undefined) return new SpawnedHost(name, environment, listener, clock)
    const hostMark = childMark(mark, (number += 1))
    const marked = { ...environment, [markVariable]: hostMark }
    return new SpawnedHost(name, marked, sweepingUp(listener, hostMark), clock)
  }
}

function sweepingUp(listener: HostProcessListener, mark: string): HostProcessListener {
  return {
    message: (message) => listener.message(message),
    disconnected: () => listener.disconnected(),
    printed: (level, fields) => listener.printed(level, fields),
    broke: (error) => listener.broke(error),
    exited: (code, signal) => {
      if (code !== 0) void endAllOf(mark)
      listener.exited(code, signal)
    },
  }
}

/** Both standard streams are read as lines; the last two pipes are the channel and the lifeline. */
class SpawnedHost implements HostProcess {
  readonly #listener: HostProcessListener
  readonly #clock: Clock
  readonly #child: ChildProcess
  readonly #printed: PrintedLines
  readonly #channel: HostChannel<FromHost, ToHost> | undefined
  readonly #lifeline: Socket | undefined
  #exit: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined
  #isReported = false
  #timer: Timer | undefined

  constructor(
    name: string,
    env: Readonly<Record<string, string>>,
    listener: HostProcessListener,
    clock: Clock,
  ) {
    this.#listener = listener
    this.#clock = clock
    const child = spawn(process.execPath, [entryPath('./host-main', import.meta.url), name], {
      env: { ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    })
    this.#child = child
    this.#printed = new PrintedLines(
      (level, _event, fields) => listener.printed(level, fields),
      clock,
    )
    child.stdout?.on('data', (chunk: Buffer) => this.#printed.print('stdout', chunk))
    child.stderr?.on('data', (chunk: Buffer) => this.#printed.print('stderr', chunk))
    // What is wrong with a pipe is no news: 'exit' tells.
    child.stdout?.on('error', () => {})
    child.stderr?.on('error', () => {})
    this.#lifeline = pipeOf(child, lifelineDescriptor)
    this.#lifeline?.on('error', () => {})
    const pipe = pipeOf(child, channelDescriptor)
    this.#channel = pipe && this.#open(pipe)
    child.on('error', (error) => {
      listener.printed('error', { line: error.message })
      if (child.pid === undefined) this.#report()
    })
    // 'exit' rather than 'close': grandchildren may hold the pipes open.
    child.on('exit', (code, signal) => this.#exited(code, signal))
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get lastLines(): readonly string[] {
    return this.#printed.lastLines
  }

  send(message: ToHost): void {
    const channel = this.#channel
    // One that is going down is told nothing, nor is one that does not read: 'exit' or its silence tells.
    if (channel === undefined || channel.isOver || channel.waitingBytes > toHost.bytesMax) return
    if (channel.send(message) || message.type !== 'start') return
    this.#broke(hostFault(`its settings take more than ${toHost.bytesMax} bytes`))
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  #open(pipe: Socket): HostChannel<FromHost, ToHost> {
    return new HostChannel<FromHost, ToHost>(pipe, {
      incoming: fromHost,
      outgoing: toHost,
      parse: parseFromHost,
      received: (message) => this.#listener.message(message),
      broke: (error) => this.#broke(error),
      ended: () => this.#muted(),
      pace: { clock: this.#clock, bytesPerSecondMax: fromHostBytesPerSecondMax },
    })
  }

  #broke(error: EdgebootError): void {
    this.#channel?.close()
    this.#listener.broke(error)
    if (this.#exit === undefined) this.#child.kill('SIGKILL')
    else this.#report()
  }

  /** The end of a process and that of its channel come in either order. */
  #muted(): void {
    if (this.#exit === undefined) this.#listener.disconnected()
    else this.#report()
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    this.#exit = { code, signal }
    this.#timer?.cancel()
    if (this.#channel === undefined || this.#channel.isOver) {
      this.#report()
      return
    }
    // A process that it started may hold the channel open.
    this.#timer = this.#clock.after(leftoversMs, () => this.#report(), { keepAlive: true })
    this.#channel.readOn()
  }

  #report(): void {
    if (this.#isReported) return
    this.#isReported = true
    this.#timer?.cancel()
    this.#channel?.close()
    this.#lifeline?.destroy()
    this.#printed.end()
    const { code = null, signal = null } = this.#exit ?? {}
    this.#listener.exited(code, signal)
  }
}

/** Node makes each pipe a socket, which reads and writes; without a free descriptor it makes none. */
function pipeOf(child: ChildProcess, descriptor: number): Socket | undefined {
  const streams = child.stdio as readonly unknown[] | undefined
  const stream = streams?.[descriptor]
  return stream instanceof Socket ? stream : undefined
}

import { fork } from 'node:child_process'
import type { Clock } from '../core/clock.ts'
import { entryPath } from '../core/entry.ts'
import type { LogFields, LogLevel } from '../core/log.ts'
import { childMark, markVariable } from '../core/process-mark.ts'
import { PrintedLines } from '../runtime/printed-lines.ts'
import type { FromHost, ToHost } from './host-messages.ts'
import { isFromHost, lifelineDescriptor } from './host-messages.ts'
import { endAllOf } from './orphan-sweep.ts'

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
  exited(code: number | null, signal: NodeJS.Signals | null): void
}

/** Starts a host process; replaced in tests of the supervisor. */
export type StartHostProcess = (
  name: string,
  environment: Readonly<Record<string, string>>,
  listener: HostProcessListener,
) => HostProcess

/**
 * Forks hosts. The environment of each is what it is given, and its mark; broker credentials travel
 * over IPC, where no process list shows them. What a host leaves behind that did not end in order is
 * ended by that mark.
 *
 * @param mark - Of this process; without one, hosts are not marked and not swept up after.
 */
export function hostForker(clock: Clock, mark?: string): StartHostProcess {
  let number = 0
  return (name, environment, listener) => {
    if (mark === undefined) return forkHost(name, environment, listener, clock)
    const hostMark = childMark(mark, (number += 1))
    const marked = { ...environment, [markVariable]: hostMark }
    return forkHost(name, marked, sweepingUp(listener, hostMark), clock)
  }
}

function sweepingUp(listener: HostProcessListener, mark: string): HostProcessListener {
  return {
    message: (message) => listener.message(message),
    disconnected: () => listener.disconnected(),
    printed: (level, fields) => listener.printed(level, fields),
    exited: (code, signal) => {
      if (code !== 0) void endAllOf(mark)
      listener.exited(code, signal)
    },
  }
}

function forkHost(
  name: string,
  environment: Readonly<Record<string, string>>,
  listener: HostProcessListener,
  clock: Clock,
): HostProcess {
  const child = fork(entryPath('./host-main', import.meta.url), [name], {
    env: { ...environment },
    execArgv: [],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe'], // the last one is its lifeline
    serialization: 'json',
  })
  child.on('message', (message) => {
    if (isFromHost(message)) listener.message(message)
  })
  child.on('disconnect', () => listener.disconnected())
  const printed = new PrintedLines(
    (level, _event, fields) => listener.printed(level, fields),
    clock,
  )
  child.stdout?.on('data', (chunk: Buffer) => printed.print('stdout', chunk))
  child.stderr?.on('data', (chunk: Buffer) => printed.print('stderr', chunk))
  const lifeline = child.stdio[lifelineDescriptor]
  lifeline?.on('error', () => {}) // 'exit' tells
  let reported = false
  const report = (code: number | null, signal: NodeJS.Signals | null): void => {
    if (reported) return
    reported = true
    printed.end()
    lifeline?.destroy()
    listener.exited(code, signal)
  }
  child.on('error', (error) => {
    listener.printed('error', { line: error.message })
    if (child.pid === undefined) report(null, null)
  })
  // 'exit' rather than 'close': grandchildren may hold the pipes open.
  child.on('exit', report)
  return {
    pid: child.pid,
    get lastLines() {
      return printed.lastLines
    },
    send: (message) => {
      // A failure to send means that it is going down; 'exit' tells.
      if (child.connected) child.send(message, () => {})
    },
    kill: (signal) => void child.kill(signal),
  }
}

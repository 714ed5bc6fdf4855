import { fork } from 'node:child_process'
import type { Clock } from '../core/clock.ts'
import { entryPath } from '../core/entry.ts'
import type { LogFields, LogLevel } from '../core/log.ts'
import { PrintedLines } from '../runtime/printed-lines.ts'
import type { FromHost, ToHost } from './host-messages.ts'
import { isFromHost } from './host-messages.ts'

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
 * Forks hosts. The environment of each is exactly what it is given; broker credentials travel over
 * IPC, where no process list shows them.
 */
export function hostForker(clock: Clock): StartHostProcess {
  return (name, environment, listener) => forkHost(name, environment, listener, clock)
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
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'json',
  })
  child.on('message', (message) => {
    if (isFromHost(message)) listener.message(message)
  })
  const printed = new PrintedLines(
    (level, _event, fields) => listener.printed(level, fields),
    clock,
  )
  child.stdout?.on('data', (chunk: Buffer) => printed.print('stdout', chunk))
  child.stderr?.on('data', (chunk: Buffer) => printed.print('stderr', chunk))
  let reported = false
  const report = (code: number | null, signal: NodeJS.Signals | null): void => {
    if (reported) return
    reported = true
    printed.end()
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

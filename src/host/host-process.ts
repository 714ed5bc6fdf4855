import { fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import { entryPath } from '../core/entry.ts'
import type { FromHost, ToHost } from './host-messages.ts'
import { isFromHost } from './host-messages.ts'

/** A host process as its supervisor sees it. */
export interface HostProcess {
  readonly pid: number | undefined
  send(message: ToHost): void
  kill(signal: NodeJS.Signals): void
}

/** What a host process tells. `exited` comes once and last. */
export interface HostProcessListener {
  message(message: FromHost): void
  /** A line on its stdout or stderr: not from us, or the last words of a crash. */
  line(line: string): void
  exited(code: number | null, signal: NodeJS.Signals | null): void
}

/** Starts a host process; replaced in tests of the supervisor. */
export type StartHostProcess = (
  name: string,
  environment: Readonly<Record<string, string>>,
  listener: HostProcessListener,
) => HostProcess

/** The longest line that is kept of what a host prints. */
const lineCharsMax = 4096

/**
 * Forks a host. Its environment is exactly `environment`; broker credentials travel over IPC,
 * where no process list shows them.
 */
export const forkHost: StartHostProcess = (name, environment, listener) => {
  const child = fork(entryPath('./host-main', import.meta.url), [name], {
    env: { ...environment },
    execArgv: [],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'json',
  })
  child.on('message', (message) => {
    if (isFromHost(message)) listener.message(message)
  })
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue
    createInterface({ input: stream }).on('line', (line) => {
      listener.line(line.slice(0, lineCharsMax))
    })
  }
  let reported = false
  const report = (code: number | null, signal: NodeJS.Signals | null): void => {
    if (reported) return
    reported = true
    listener.exited(code, signal)
  }
  child.on('error', (error) => {
    listener.line(error.message)
    if (child.pid === undefined) report(null, null)
  })
  // 'exit' rather than 'close': grandchildren may hold the pipes open.
  child.on('exit', report)
  return {
    pid: child.pid,
    send: (message) => {
      // A failure to send means that it is going down; 'exit' tells.
      if (child.connected) child.send(message, () => {})
    },
    kill: (signal) => void child.kill(signal),
  }
}

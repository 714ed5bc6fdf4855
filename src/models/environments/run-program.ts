import { spawn } from 'node:child_process'
import type { Clock } from '../../core/clock.ts'

/** Output that is kept, in characters of its end. */
const tailCharsMax = 16 * 1024
/** One line that is told. */
const lineCharsMax = 300

/** A program to run to its end. */
export interface Program {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Hears every line of its output, cut to what a person reads. */
  readonly onLine?: (line: string) => void
}

/** How a program ended. */
export interface ProgramEnd {
  /** Absent: it was killed, by `timedOut` or from outside. */
  readonly code?: number
  readonly timedOut: boolean
  readonly stdout: string
  /** The end of what it wrote to both of its streams. */
  readonly tail: string
}

/**
 * Runs a program and waits for it. It leads a process group, which is killed as a whole when its
 * time is up or `signal` says so.
 *
 * @throws What `spawn` says; the reason of `signal`.
 */
export function runProgram(program: Program): Promise<ProgramEnd> {
  const { command, args, cwd, env, clock, timeoutMs, signal, onLine } = program
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let tail = ''
    let timedOut = false
    const kill = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has ended already.
      }
    }
    const timer = clock.after(
      timeoutMs,
      () => {
        timedOut = true
        kill()
      },
      { keepAlive: true },
    )
    signal.addEventListener('abort', kill, { once: true })
    const hear = (chunk: string): void => {
      tail = (tail + chunk).slice(-tailCharsMax)
      for (const line of chunk.split('\n')) {
        if (line.trim() !== '') onLine?.(line.trim().slice(0, lineCharsMax))
      }
    }
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout = (stdout + chunk).slice(-4 * tailCharsMax)
      hear(chunk)
    })
    child.stderr.setEncoding('utf8').on('data', hear)
    const finish = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', kill)
    }
    child.once('error', (error) => {
      finish()
      reject(error)
    })
    child.once('close', (code) => {
      finish()
      if (signal.aborted) reject(signal.reason as Error)
      else resolve({ ...(code === null ? {} : { code }), timedOut, stdout, tail })
    })
  })
}

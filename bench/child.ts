/** What every child process of a measurement needs: an answer in time, and an end. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Between SIGTERM and SIGKILL. */
const graceMs = 10_000

/**
 * The next message of a child.
 *
 * @throws Error when it exits instead; AbortError when the signal comes first.
 */
export async function nextMessage(child: ChildProcess, signal: AbortSignal): Promise<unknown> {
  const over = new AbortController()
  const either = AbortSignal.any([signal, over.signal])
  try {
    const message = once(child, 'message', { signal: either })
    const exit = once(child, 'exit', { signal: either }).then(([code]) => {
      throw new Error(`${child.spawnargs.join(' ')} exited with ${String(code)}`)
    })
    const [told] = (await Promise.race([message, exit])) as unknown[]
    return told
  } finally {
    over.abort()
  }
}

/** Ends a child: SIGTERM, then SIGKILL. Resolves when it is gone; never rejects. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  await gone
  clearTimeout(timer)
}

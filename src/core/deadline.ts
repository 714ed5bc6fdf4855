import type { Clock } from './clock.ts'

/**
 * Waits for `work`, but no longer than `limitMs`.
 *
 * The work itself is not cancelled: whoever owns it must know how to end it. A rejection after
 * the deadline is swallowed, since nobody waits for it any more.
 *
 * @param onTimeout - Makes the error to reject with.
 */
export function withDeadline<T>(
  work: Promise<T>,
  limitMs: number,
  clock: Clock,
  onTimeout: () => Error,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = clock.after(limitMs, () => reject(onTimeout()), { keepAlive: true })
    work.then(
      (value) => {
        timer.cancel()
        resolve(value)
      },
      (error: unknown) => {
        timer.cancel()
        reject(error instanceof Error ? error : new Error(String(error)))
      },
    )
  })
}

import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Waits until `check` returns something truthy, and fails with `what` after `limitMs`. For
 * conditions that no event announces; where there is an event, wait on that.
 */
export async function until<T>(
  what: string,
  check: () => T | Promise<T>,
  limitMs = 30_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + limitMs
  for (;;) {
    const value = await check()
    if (value) return value
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms in vain for: ${what}`)
    await sleep(20)
  }
}

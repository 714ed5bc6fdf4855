import type { Starter } from './starter.ts'

/**
 * The order in which starters are stopped: highest group first, within it the lowest priority
 * number first, ties in reverse order of registration.
 *
 * @param starters - In the order of registration; left as they are.
 */
export function stopOrder<T extends Pick<Starter, 'priorityGroup' | 'priority'>>(
  starters: readonly T[],
): T[] {
  return starters
    .toReversed()
    .sort((a, b) => b.priorityGroup - a.priorityGroup || a.priority - b.priority)
}

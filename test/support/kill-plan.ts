/** What a kill test kills, and when: random, and the same for the same seed. Pure. */

/** What can be killed. */
export type Victim = 'runner' | 'host' | 'main' | 'broker'

/** One kill. */
export interface PlannedKill {
  readonly victim: Victim
  /** Milliseconds after the first message. Not decreasing. */
  readonly atMs: number
  /** How long the broker stays away, milliseconds. */
  readonly awayMs: number
}

/** Longest absence of the broker. */
const awayMsMax = 500

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * Spreads kills over a span of time, each at a random moment of its own share of it.
 *
 * Hosts and runners wait longer from death to death until `main` begins anew. So there is one round
 * per kill of main, which ends it, and the other victims are dealt out evenly and
 * shuffled within each round.
 *
 * @param counts - How often each is killed; `main` at least once.
 */
export function planKills(
  counts: Readonly<Record<Victim, number>>,
  spanMs: number,
  random: () => number,
): readonly PlannedKill[] {
  const rounds: Victim[][] = Array.from({ length: counts.main }, () => [])
  let next = 0
  for (const victim of ['host', 'runner', 'broker'] as const) {
    for (let i = 0; i < counts[victim]; i++) rounds[next++ % rounds.length]?.push(victim)
  }
  const victims = rounds.flatMap((round): Victim[] => [...shuffled(round, random), 'main'])
  const shareMs = spanMs / victims.length
  return victims.map((victim, i) => ({
    victim,
    atMs: (i + random()) * shareMs,
    awayMs: random() * awayMsMax,
  }))
}

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const rest = [...values]
  const drawn: T[] = []
  while (rest.length > 0) drawn.push(...rest.splice(Math.floor(random() * rest.length), 1))
  return drawn
}

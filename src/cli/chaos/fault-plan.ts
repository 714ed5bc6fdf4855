/** What a chaos run does to a running edgeboot, and when: random, and the same for the same seed. Pure. */

/** What can be killed or stopped. */
export const victims = ['runner', 'host', 'main', 'broker'] as const
/** See {@link victims}. */
export type Victim = (typeof victims)[number]

/** What can be done besides killing. */
export const troubles = ['stop', 'restart', 'cut', 'delay', 'silence', 'disk'] as const
/** See {@link troubles}. */
export type Trouble = (typeof troubles)[number]

/** One thing that is done. */
export interface Fault {
  /**
   * `kill` SIGKILL · `stop` SIGSTOP, then SIGCONT · `restart` the broker, in order · `cut` the
   * connections to a broker · `delay` what passes them · `silence` them while they stand
   * (half-open) · `disk` no room left in the state folder.
   */
  readonly kind: 'kill' | Trouble
  /** Of `kill` and `stop`; the broker for all others but `disk`. */
  readonly victim: Victim
  /** Milliseconds after the first message. Not decreasing. */
  readonly atMs: number
  /** How long it lasts, or a broker that was killed or restarted stays away; milliseconds. */
  readonly lastsMs: number
  /** In [0, 1): which of several victims it hits. */
  readonly choice: number
}

/** What a plan is made of. */
export interface FaultCounts {
  /** SIGKILLs by victim. */
  readonly kills: Readonly<Record<Victim, number>>
  /** Everything else, by kind. */
  readonly troubles: Readonly<Partial<Record<Trouble, number>>>
}

/**
 * Shortest and longest time that each lasts, milliseconds. What breaks connections lasts longer than
 * the first wait of a reconnect: connections that break again and again and can be made at once look
 * like two clients with one id, and are then left alone for half a minute, on purpose.
 */
const lasting: Readonly<Record<'kill' | Trouble, readonly [number, number]>> = {
  kill: [600, 1200],
  restart: [600, 1200],
  stop: [300, 3000],
  cut: [600, 2500],
  delay: [500, 4000],
  silence: [500, 3000],
  disk: [1000, 4000],
}

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
 * Spreads faults over a span of time, each at a random moment of its own share of it.
 *
 * Hosts and runners wait longer from death to death until main begins anew. So there is one round
 * per kill of main, which ends it, and everything else is dealt out evenly and shuffled within each
 * round.
 */
export function planFaults(
  counts: FaultCounts,
  spanMs: number,
  random: () => number,
): readonly Fault[] {
  type Drawn = Pick<Fault, 'kind' | 'victim'>
  const others: Drawn[] = []
  for (const victim of ['host', 'runner', 'broker'] as const) {
    for (let i = 0; i < counts.kills[victim]; i++) others.push({ kind: 'kill', victim })
  }
  for (const kind of troubles) {
    for (let i = 0; i < (counts.troubles[kind] ?? 0); i++) {
      const victim = kind === 'stop' ? (victims[i % victims.length] as Victim) : 'broker'
      others.push({ kind, victim })
    }
  }
  const rounds: Drawn[][] = Array.from({ length: Math.max(counts.kills.main, 1) }, () => [])
  for (const [i, fault] of others.entries()) rounds[i % rounds.length]?.push(fault)
  const inOrder = rounds.flatMap((round): Drawn[] => {
    const last: Drawn[] = counts.kills.main === 0 ? [] : [{ kind: 'kill', victim: 'main' }]
    return [...shuffled(round, random), ...last]
  })
  const shareMs = spanMs / inOrder.length
  return inOrder.map(({ kind, victim }, i) => {
    const [least, most] = lasting[kind]
    return {
      kind,
      victim,
      atMs: (i + random()) * shareMs,
      lastsMs: Math.round(least + random() * (most - least)),
      choice: random(),
    }
  })
}

/** A number of kills, dealt out to those that can be killed: main and broker less often. */
export function spreadKills(
  kills: number,
  among: readonly Victim[],
): Readonly<Record<Victim, number>> {
  const shares: Readonly<Record<Victim, number>> = { runner: 3, host: 3, main: 2, broker: 2 }
  const spread: Record<Victim, number> = { runner: 0, host: 0, main: 0, broker: 0 }
  for (let i = 0; i < kills; i++) {
    // The one that is furthest behind its share; ties go by the order of the list.
    const next = among.toSorted((a, b) => spread[a] / shares[a] - spread[b] / shares[b])[0]
    if (next !== undefined) spread[next] += 1
  }
  return spread
}

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const rest = [...values]
  const drawn: T[] = []
  while (rest.length > 0) drawn.push(...rest.splice(Math.floor(random() * rest.length), 1))
  return drawn
}

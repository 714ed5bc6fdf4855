/** A message and its first result; times as of `performance.now()`. */
export interface Flight {
  readonly publishedAt: number
  readonly answeredAt: number
}

/** From the request of a swap until a while after the new version has taken over. */
export interface SwapWindow {
  readonly from: number
  readonly to: number
}

/** From just before a message is written to its result in hand, milliseconds. */
export interface Latency {
  readonly messages: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** Messages that were on their way at some time within a window, and all others. */
export interface LatencySplit {
  readonly during: Latency
  readonly quiet: Latency
}

/** Tells the messages that a swap may have held up from those that none can have. */
export function splitLatency(
  flights: readonly Flight[],
  windows: readonly SwapWindow[],
): LatencySplit {
  const during: number[] = []
  const quiet: number[] = []
  for (const { publishedAt, answeredAt } of flights) {
    const touched = windows.some(({ from, to }) => publishedAt <= to && answeredAt >= from)
    const side = touched ? during : quiet
    side.push(answeredAt - publishedAt)
  }
  return { during: latencyOf(during), quiet: latencyOf(quiet) }
}

/** Nearest rank: the p99 of fewer than a hundred is the longest. NaN for none. */
function latencyOf(times: readonly number[]): Latency {
  const sorted = Float64Array.from(times).toSorted()
  const rank = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? NaN
  return { messages: sorted.length, p50Ms: rank(0.5), p99Ms: rank(0.99), maxMs: rank(1) }
}

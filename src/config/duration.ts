const unitsMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** No timer of Node runs longer than this; a longer wait is refused rather than cut to 1 ms. */
export const durationMsMax = 2 ** 31 - 1

/**
 * Reads a duration of the configuration: `500ms`, `10s`, `2m`, `1h`, `1d`, with a decimal point if
 * need be. A bare number, as YAML number or as text, is *seconds*, because pyboot's were.
 *
 * @param msMax - For what no timer waits for; at most a safe integer.
 * @returns Milliseconds, rounded; `undefined` for anything else, below zero, or above `msMax`.
 */
export function parseDurationMs(
  written: string | number,
  msMax: number = durationMsMax,
): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/.exec(String(written).trim())
  if (match === null) return undefined
  const ms = Math.round(Number(match[1]) * (unitsMs[match[2] ?? 's'] ?? 1000))
  return ms <= msMax ? ms : undefined
}

/** Writes milliseconds in the largest unit that takes no fraction: 90000 is `90s`, 120000 is `2m`. */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's']) {
    const unitMs = unitsMs[unit] ?? 1
    if (ms >= unitMs && ms % unitMs === 0) return `${ms / unitMs}${unit}`
  }
  return `${ms}ms`
}

import type { Predicate } from '../config/predicate.ts'

/** A device entry, ready to be asked. All attributes must hold. */
export interface DeviceMatcher {
  readonly name: string
  readonly attributes: readonly { readonly name: string; readonly holds: Predicate }[]
}

/** What a func wants: compiled once, asked for every message. */
export interface Matcher {
  /** Empty: every message, for no device in particular. */
  readonly devices: readonly DeviceMatcher[]
  readonly when?: Predicate
}

/** One event to run: the device that it belongs to, when the func names devices. */
export interface Match {
  readonly device: string | undefined
}

/** What became of one device entry that did not want the message. */
export interface Miss {
  readonly stage: 'device' | 'when'
  readonly device: string | undefined
  /** The attribute that did not hold; absent for `when`. */
  readonly attribute?: string
  readonly reason: string
}

/** What a func that is for every message finds. */
const anyMessage = { matches: [{ device: undefined }], misses: [] }

/**
 * Finds the device entries that a message belongs to. Each one that fits is an event of its own;
 * `when` is asked once for each. Every entry ends in `matches` or in `misses`, in the order of the
 * configuration.
 */
export function matchEvent(
  matcher: Matcher,
  event: unknown,
  topic: string,
): { readonly matches: readonly Match[]; readonly misses: readonly Miss[] } {
  if (matcher.devices.length === 0 && matcher.when === undefined) return anyMessage
  const telemetry = telemetryOf(event)
  const matches: Match[] = []
  const misses: Miss[] = []
  const judge = (device: string | undefined, attributes: DeviceMatcher['attributes']): void => {
    const scope = { event, telemetry, device: device ?? '', topic }
    for (const attribute of attributes) {
      const verdict = attribute.holds(scope)
      if (!verdict.ok) {
        const { name } = attribute
        misses.push({ stage: 'device', device, attribute: name, reason: verdict.reason })
        return
      }
    }
    const verdict = matcher.when?.(scope)
    if (verdict !== undefined && !verdict.ok) {
      misses.push({ stage: 'when', device, reason: verdict.reason })
    } else {
      matches.push({ device })
    }
  }
  if (matcher.devices.length === 0) judge(undefined, [])
  for (const device of matcher.devices) judge(device.name, device.attributes)
  return { matches, misses }
}

/** What conditions see as `telemetry`; empty when the message has none. */
export function telemetryOf(event: unknown): unknown {
  return typeof event === 'object' && event !== null && Object.hasOwn(event, 'telemetry')
    ? (event as { telemetry: unknown }).telemetry
    : {}
}

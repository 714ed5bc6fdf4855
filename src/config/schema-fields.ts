import { z } from 'zod'
import { parseDurationMs } from './duration.ts'
import { parseSizeBytes } from './size.ts'

/** Text that is not empty. */
export const text = (description: string) =>
  z.string().min(1, 'must not be empty').meta({ description })

/** A duration, with its default as people write it. */
export const duration = (description: string, byDefault: string) =>
  z
    .union([z.string(), z.number()], 'must be a duration such as 10s, 500ms or 2m')
    .refine((value) => parseDurationMs(value) !== undefined, {
      error: 'must be a duration of at most 24 days, such as 10s, 500ms or 2m',
    })
    .meta({
      description: `${description} A duration such as 500ms, 10s, 2m, 1h; a bare number is seconds.`,
      default: byDefault,
    })

/** Seconds of the longest session that MQTT 5 can ask for and that ends at all (3.1.2.11.2). */
const keptSecondsMax = 0xffff_fffe

/**
 * How long something is kept, which no timer waits for: above 0, up to 136 years.
 *
 * @param ifZero - What to write where nothing is to be kept.
 */
export const keptFor = (description: string, ifZero: string, byDefault?: string) =>
  z
    .union([z.string(), z.number()], 'must be a duration such as 7d, 12h or 30m')
    .refine((value) => parseKeptForMs(value) !== undefined, {
      error: 'must be a duration of at most 136 years, such as 7d, 12h or 30m',
    })
    .refine((value) => parseKeptForMs(value) !== 0, { error: `must be above 0 (${ifZero})` })
    .meta({
      description: `${description} A duration such as 30m, 12h, 7d; a bare number is seconds.`,
      ...(byDefault === undefined ? {} : { default: byDefault }),
    })

/** Milliseconds of a {@link keptFor}. */
export function parseKeptForMs(written: string | number): number | undefined {
  return parseDurationMs(written, keptSecondsMax * 1000)
}

/** A number of bytes, with its default, if it has one, and its least as people write them. */
export const size = (description: string, byDefault: string | undefined, min = '0') =>
  z
    .union([z.string(), z.number()], 'must be a size such as 256MiB or 1GB')
    .refine((value) => parseSizeBytes(value) !== undefined, {
      error: 'must be a size such as 256MiB or 1GB',
    })
    .refine((value) => (parseSizeBytes(value) ?? Infinity) >= (parseSizeBytes(min) ?? 0), {
      error: `must be at least ${min} (a bare number is bytes)`,
    })
    .meta({
      description: `${description} A size such as 256MiB or 1GB; a bare number is bytes.`,
      ...(byDefault === undefined ? {} : { default: byDefault }),
    })

/** A whole number within bounds. */
export const whole = (description: string, min: number, max: number) =>
  z.int().min(min).max(max).meta({ description })

/** What is off unless it is on. */
export const flag = (description: string) => z.boolean().meta({ description, default: false })

/** What a queue does when it is full. */
export const whenFull = z.enum(['block', 'drop-oldest', 'drop-newest']).meta({
  description:
    'What happens to the next event when it is full: the source waits, or an event is dropped and counted. Default: drop-oldest for QoS 0, block for QoS 1 and 2.',
})

/** Quality of service of a broker. */
export const qos = z.union([z.literal(0), z.literal(1), z.literal(2)], 'must be 0, 1 or 2').meta({
  description:
    'MQTT quality of service of subscriptions and results. 1: at least once, a message is acknowledged when its result is safe. 2 is served as 1.',
  default: 0,
})

import { compilePredicate } from '../config/predicate.ts'
import type { PipelineSettings } from '../config/settings.ts'
import type { Matcher } from '../pipeline/match.ts'

/**
 * Compiles the conditions of a func.
 *
 * @throws EdgebootError `CONFIG_INVALID` for a condition that does not compile.
 */
export function compileMatcher(settings: Pick<PipelineSettings, 'devices' | 'when'>): Matcher {
  const devices = settings.devices.map((device) => ({
    name: device.name,
    attributes: device.attributes.map(({ name, expression }) => ({
      name,
      holds: compilePredicate(expression),
    })),
  }))
  return settings.when === undefined
    ? { devices }
    : { devices, when: compilePredicate(settings.when) }
}

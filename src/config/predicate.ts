import { celFailure, parseCondition, type PredicateInput } from './cel.ts'

/** Whether a condition holds; `reason` is one short sentence. */
export type PredicateOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string }

/** A compiled condition. Never throws: what cannot be evaluated does not hold, and says why. */
export type Predicate = (input: PredicateInput) => PredicateOutcome

const holds: PredicateOutcome = { ok: true }

/**
 * Compiles a condition in CEL over `event`, `telemetry`, `device` and `topic` (`data_to_dict` is
 * pyboot's name of `event`). Evaluating takes well under a microsecond unless it fails.
 *
 * @throws EdgebootError `CONFIG_INVALID` with a caret under the place; `details.offset` counts
 * its characters from 0.
 */
export function compilePredicate(expression: string): Predicate {
  const { evaluate } = parseCondition(expression)
  const isFalse: PredicateOutcome = { ok: false, reason: `not true: ${expression}` }
  return ({ event, telemetry, device, topic }) => {
    try {
      const value = evaluate({ event, telemetry, device, topic, data_to_dict: event })
      if (value === true) return holds
      if (value === false) return isFalse
      return {
        ok: false,
        reason: `gives ${typeName(value)} instead of true or false, in ${expression}`,
      }
    } catch (thrown) {
      return { ok: false, reason: `${celFailure(thrown)}, in ${expression}` }
    }
  }
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'number' || typeof value === 'bigint') return 'a number'
  return typeof value === 'string' ? 'a string' : 'a map'
}

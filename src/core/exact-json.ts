/** Of ES2026 and of Node 24; TypeScript's own library does not have it yet. */
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown }

/** Digits of integers that a number may not hold are looked at more closely from this length on. */
const exactDigitsMax = 15

/**
 * As `JSON.parse`, but an integer that a number cannot hold becomes a bigint, so that two that differ
 * are never taken for one.
 *
 * @throws SyntaxError
 */
export function parseExactJson(text: string): unknown {
  const reviver = (
    _key: string,
    value: unknown,
    context?: { readonly source?: string },
  ): unknown => {
    const source = context?.source
    if (typeof value !== 'number' || source === undefined) return value
    if (source.length <= exactDigitsMax || Number.isSafeInteger(value)) return value
    return /^-?\d+$/.test(source) ? BigInt(source) : value
  }
  return JSON.parse(text, reviver)
}

/** The reverse: JSON text in which a bigint is an integer with all its digits. */
export function exactJsonText(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? rawJSON(String(part)) : part,
  )
}

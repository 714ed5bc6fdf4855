const unitsBytes: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  tb: 1000 ** 4,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
}

/**
 * Reads a size of the configuration: `256MiB` (binary), `1GB` (decimal), or bare bytes. Upper and
 * lower case are alike.
 *
 * @returns Bytes, rounded; `undefined` for anything else.
 */
export function parseSizeBytes(written: string | number): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/.exec(String(written).trim().toLowerCase())
  if (match === null) return undefined
  const unit = unitsBytes[match[2] ?? '']
  if (unit === undefined) return undefined
  const bytes = Math.round(Number(match[1]) * unit)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

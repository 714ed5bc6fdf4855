/**
 * How much a finding weighs. `danger`: loading it can run what its author wants, or read what is not
 * the package's, or nobody can say;
 * `warn`: it may not work here, or nobody vouches for it; `info`: good to know.
 */
export type FindingLevel = 'info' | 'warn' | 'danger'

/** Something that was found in a package. */
export interface InspectionFinding {
  readonly level: FindingLevel
  /** In the package, with `/`; a file within a file after `!`. Absent: the package as a whole. */
  readonly file?: string
  /** A clause without a full stop. */
  readonly text: string
}

const order = { danger: 0, warn: 1, info: 2 } as const

/** In the order of their weight; those of one level stay as they are. */
export function mostSeriousFirst(findings: readonly InspectionFinding[]): InspectionFinding[] {
  return findings.toSorted((a, b) => order[a.level] - order[b.level])
}

/** Findings that are kept of one package; the most serious are told apart by their level. */
export const findingsMax = 500

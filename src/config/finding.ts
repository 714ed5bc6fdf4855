import type { ErrorCode } from '../core/error-catalogue.ts'
import { EdgebootError } from '../core/errors.ts'

/** A place in a configuration file; both count from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** One thing to know about a configuration: a mistake that stops the start, or a warning. */
export interface Finding {
  /** The file as it was named, or `environment` for a variable. */
  readonly file: string
  /** From 1; 0 when the finding is about the file as a whole or about a variable. */
  readonly line: number
  readonly column: number
  /** Where in the structure, such as `rules[0].pub.topic`; empty for the whole. */
  readonly path: string
  /** What is wrong. Never a secret. */
  readonly message: string
  /** What to write instead. */
  readonly suggestion?: string
  readonly severity: 'error' | 'warning'
}

/** Collects findings of one file, so that all of them can be told at once. */
export class Findings {
  readonly file: string
  readonly all: Finding[] = []

  constructor(file: string) {
    this.file = file
  }

  error(at: Position, path: string, message: string, suggestion?: string): void {
    this.#add('error', at, path, message, suggestion)
  }

  warning(at: Position, path: string, message: string, suggestion?: string): void {
    this.#add('warning', at, path, message, suggestion)
  }

  /** A mistake in an environment variable. */
  environment(severity: Finding['severity'], message: string, suggestion?: string): void {
    const finding = { file: 'environment', line: 0, column: 0, path: '', message, severity }
    this.all.push(suggestion === undefined ? finding : { ...finding, suggestion })
  }

  get errors(): Finding[] {
    return this.all.filter((finding) => finding.severity === 'error')
  }

  get warnings(): Finding[] {
    return this.all.filter((finding) => finding.severity === 'warning')
  }

  /** @throws EdgebootError `CONFIG_INVALID` that carries every finding, when one is a mistake. */
  throwIfInvalid(): void {
    if (this.errors.length > 0) throw invalidConfiguration(this.file, this.all)
  }

  #add(
    severity: Finding['severity'],
    at: Position,
    path: string,
    message: string,
    suggestion: string | undefined,
  ): void {
    const finding = { file: this.file, ...at, path, message, severity }
    this.all.push(suggestion === undefined ? finding : { ...finding, suggestion })
  }
}

/** In the order of the file. */
export function inFileOrder(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => a.line - b.line || a.column - b.column)
}

/** One line: `conf/config.yaml:3:5: what is wrong (what to write instead)`. */
export function describeFinding(finding: Finding): string {
  const place =
    finding.line === 0 ? finding.file : `${finding.file}:${finding.line}:${finding.column}`
  const warning = finding.severity === 'warning' ? 'warning: ' : ''
  const suggestion = finding.suggestion === undefined ? '' : ` (${finding.suggestion})`
  return `${place}: ${warning}${finding.message}${suggestion}`
}

/** The error of a configuration that cannot be used: {@link invalidFile}. */
export function invalidConfiguration(file: string, found: readonly Finding[]): EdgebootError {
  return invalidFile('CONFIG_INVALID', file, found)
}

/** Mistakes that a message lists; more are counted. */
const shownMistakesMax = 200

/**
 * The error of a file that cannot be used. Its message has a line for every mistake;
 * `details.findings` has the warnings too.
 */
export function invalidFile(
  code: ErrorCode,
  file: string,
  found: readonly Finding[],
): EdgebootError {
  const findings = inFileOrder(found)
  const mistakes = findings.filter((finding) => finding.severity === 'error')
  const count = mistakes.length === 1 ? '1 mistake' : `${mistakes.length} mistakes`
  const lines = mistakes.slice(0, shownMistakesMax).map((one) => `  ${describeFinding(one)}`)
  const more = mistakes.length - lines.length
  if (more > 0) lines.push(`  and ${more} more`)
  return new EdgebootError(code, [`${file} has ${count}:`, ...lines].join('\n'), {
    details: { file, findings },
  })
}

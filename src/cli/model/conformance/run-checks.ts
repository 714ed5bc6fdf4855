import type { Bench } from './bench.ts'
import { Breach } from './breach.ts'
import type { Check } from './checks.ts'

/** What a check came to. */
export interface CheckResult {
  readonly name: string
  readonly title: string
  readonly section: string
  readonly status: 'pass' | 'fail' | 'skip'
  /** What the program did, in words. */
  readonly seen: string
}

/**
 * Runs checks one after the other, and hands over each result as it comes. One is skipped when the one
 * that it needs has not passed.
 */
export async function* runChecks(
  checks: readonly Check[],
  bench: Bench,
): AsyncGenerator<CheckResult> {
  const passed = new Set<string>()
  for (const { name, title, section, needs, run } of checks) {
    const result = { name, title, section }
    if (needs !== undefined && !passed.has(needs)) {
      const needed = checks.find((check) => check.name === needs)?.title ?? needs
      yield { ...result, status: 'skip', seen: `not tried before it ${needed}` }
      continue
    }
    try {
      yield { ...result, status: 'pass', seen: await run(bench) }
      passed.add(name)
    } catch (thrown) {
      if (!(thrown instanceof Breach)) throw thrown
      yield { ...result, status: 'fail', seen: thrown.message }
    }
  }
}

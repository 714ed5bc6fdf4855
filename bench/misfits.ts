/** The models that misbehave beside a healthy one: the list, as far as their languages allow it. */

/** One of `test/fixtures/misbehaving`. */
export interface Misfit {
  /** Such as `python/exits`. */
  readonly name: string
  /** Further keys of its func. */
  readonly func: string
}

const stuck = 'timeout: 300ms'
const greedy = 'timeout: 5s, memory: 96MiB'

const funcs: Readonly<Record<string, string>> = {
  'python/loops-for-ever': stuck,
  'python/sleeps-past-its-deadline': stuck,
  'python/ignores-sigterm': stuck,
  'python/exits': stuck,
  'python/aborts': stuck,
  'python/allocates-without-end': greedy,
  'python/forks': stuck,
  'python/closes-its-descriptors': stuck,
  'python/writes-garbage': stuck,
  'python/returns-too-few-results': stuck,
  'python/returns-too-many-results': stuck,
  'typescript/loops-for-ever': stuck,
  'typescript/exits': stuck,
  'typescript/throws-from-a-timer': stuck,
  'typescript/aborts': stuck,
  'typescript/allocates-heap': greedy,
}

/** In the order in which they are measured. */
export const misfits: readonly Misfit[] = Object.entries(funcs).map(([name, func]) => ({
  name,
  func,
}))

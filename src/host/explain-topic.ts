import { topicMatcher } from '../core/mqtt-topic.ts'

/** What a filter with wildcards gets in their place. */
const anyLevel = 'any'

/** A topic that a filter matches: for those who have a message and no topic. */
export function topicOf(filter: string): string {
  return levelsOf(filter)
    .map((level) => (level === '+' || level === '#' ? anyLevel : level))
    .join('/')
}

/**
 * Why a filter does not match a topic, in a clause, or `undefined` when it does.
 *
 * @param filter - As subscribed to, with its `$share/group/`.
 */
export function topicMismatch(filter: string, topic: string): string | undefined {
  if (topicMatcher(filter)(topic)) return undefined
  const wanted = levelsOf(filter)
  const given = topic.split('/')
  if (topic.startsWith('$') && !wanted[0]?.startsWith('$')) {
    return 'a wildcard at the beginning is not for topics that begin with $'
  }
  for (const [index, level] of wanted.entries()) {
    const found = given[index]
    if (found === undefined) return `the topic ends before level ${index + 1}, ${level}`
    if (level !== '+' && level !== found) {
      return `level ${index + 1} is ${found === '' ? 'empty' : found}, not ${level}`
    }
  }
  return `the topic goes on after level ${wanted.length}`
}

/** The group of a shared subscription. */
export function groupOf(filter: string): string | undefined {
  return filter.startsWith('$share/') ? filter.split('/')[1] : undefined
}

function levelsOf(filter: string): string[] {
  const levels = filter.split('/')
  return levels[0] === '$share' ? levels.slice(2) : levels
}

/** What MQTT asks of topics and of the filters that subscribe to them. */

/** MQTT writes the length of a topic in two bytes. */
const topicBytesMax = 65_535

/**
 * Why a text cannot be the topic of a message, or `undefined` when it can.
 *
 * @returns A clause that follows "the topic …", such as `is empty`.
 */
export function topicFault(topic: string): string | undefined {
  const fault = textFault(topic)
  if (fault !== undefined) return fault
  const wildcard = /[+#]/.exec(topic)?.[0]
  return wildcard === undefined
    ? undefined
    : `has the wildcard ${wildcard}, which results cannot go to`
}

/**
 * Why no message can come on a topic, or `undefined` when one can.
 *
 * @returns A clause that follows "the topic …".
 */
export function messageTopicFault(topic: string): string | undefined {
  const fault = textFault(topic)
  if (fault !== undefined) return fault
  const wildcard = /[+#]/.exec(topic)?.[0]
  return wildcard === undefined
    ? undefined
    : `has the wildcard ${wildcard}: it is a filter, and no message comes on it`
}

/**
 * Why a text cannot be subscribed to, or `undefined` when it can. Knows `$share/group/filter`.
 *
 * @returns A clause that follows "the topic …".
 */
export function topicFilterFault(filter: string): string | undefined {
  const fault = textFault(filter)
  if (fault !== undefined) return fault
  let levels = filter.split('/')
  if (levels[0] === '$share') {
    const group = levels[1] ?? ''
    if (group === '' || /[+#]/.test(group)) return 'needs the name of a group after $share/'
    levels = levels.slice(2)
    if (levels.join('/') === '') return `needs a topic filter after $share/${group}/`
  }
  for (const [index, level] of levels.entries()) {
    if (level.includes('#') && (level !== '#' || index !== levels.length - 1)) {
      return 'may have # only alone at its end: plant/#'
    }
    if (level.includes('+') && level !== '+') {
      return 'may have + only alone between slashes: plant/+/telemetry'
    }
  }
  return undefined
}

/**
 * Prepares the question whether a topic matches a filter (MQTT 5.0, 4.7; 3.1.1, 4.7). The prefix
 * `$share/group/` is left out of it, and a filter that begins with a wildcard does not match
 * topics that begin with `$` (4.7.2).
 *
 * @param filter - One without a {@link topicFilterFault}.
 */
export function topicMatcher(filter: string): (topic: string) => boolean {
  const levels = filter.split('/')
  if (levels[0] === '$share') levels.splice(0, 2)
  const isOpen = levels.at(-1) === '#'
  if (isOpen) levels.pop()
  const startsWild = levels.length === 0 || levels[0] === '+'
  return (topic) => {
    if (startsWild && topic.startsWith('$')) return false
    // By position, not by cutting the topic up: this may be asked for every message.
    let start = 0
    for (const level of levels) {
      if (start > topic.length) return false
      const slash = topic.indexOf('/', start)
      const end = slash === -1 ? topic.length : slash
      const isSame = end - start === level.length && topic.startsWith(level, start)
      if (level !== '+' && !isSame) return false
      start = end + 1
    }
    // `plant/#` is also for `plant` itself (4.7.1.2).
    return isOpen || start > topic.length
  }
}

/** Whether a text is longer than a topic may be. Counts bytes only where the length leaves doubt. */
export function isTopicTooLong(text: string): boolean {
  // A string of UTF-16 units takes at most three bytes each: most need not be measured.
  return text.length * 3 > topicBytesMax && Buffer.byteLength(text) > topicBytesMax
}

/** What a topic and a filter have in common. */
function textFault(text: string): string | undefined {
  if (text === '') return 'is empty'
  if (text.includes('\0')) return 'has a NUL character'
  if (!text.isWellFormed()) return 'is not valid Unicode'
  if (!isTopicTooLong(text)) return undefined
  return `has ${Buffer.byteLength(text)} bytes, more than ${topicBytesMax}`
}

/**
 * What MQTT asks of topics and filters, for messages to the operator. The transport has the same
 * rules for what it builds from data; folders of this layer do not import each other.
 */

/** MQTT writes the length of a topic in two bytes. */
const topicBytesMax = 65_535

/** Why a filter cannot be subscribed to, in a clause that follows "the topic …". */
export function filterFault(filter: string): string | undefined {
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
    if (level.includes('+') && level !== '+')
      return 'may have + only alone between slashes: plant/+/telemetry'
  }
  return undefined
}

/** Why a topic, or a template of one, cannot be published to. */
export function topicFault(topic: string): string | undefined {
  const fault = textFault(topic)
  if (fault !== undefined) return fault
  const wildcard = /[+#]/.exec(topic)?.[0]
  return wildcard === undefined
    ? undefined
    : `has the wildcard ${wildcard}, which results cannot go to`
}

function textFault(text: string): string | undefined {
  if (text === '') return 'is empty'
  if (text.includes('\0')) return 'has a NUL character'
  if (!text.isWellFormed()) return 'is not valid Unicode'
  const bytes = Buffer.byteLength(text)
  return bytes > topicBytesMax ? `has ${bytes} bytes, more than ${topicBytesMax}` : undefined
}

/** Topics and topic filters of MQTT, without any connection: what is valid, what matches, what a template gives. */

/** MQTT writes the length of a topic in two bytes. */
export const topicBytesMax = 65_535

/**
 * Why a text cannot be the topic of a message, or `undefined` when it can.
 *
 * @returns A clause that fits behind the topic's name, such as `holds the wildcard "+"`.
 */
export function topicProblem(topic: string): string | undefined {
  const problem = textProblem(topic)
  if (problem !== undefined) return problem
  const wildcard = /[+#]/.exec(topic)
  return wildcard === null ? undefined : `holds the wildcard "${wildcard[0]}"`
}

/**
 * Why a text cannot be subscribed to, or `undefined` when it can. Knows `$share/group/filter`.
 *
 * @returns A clause that fits behind the filter's name.
 */
export function topicFilterProblem(filter: string): string | undefined {
  const problem = textProblem(filter)
  if (problem !== undefined) return problem
  if (isShared(filter)) {
    const [, group, ...rest] = filter.split('/')
    if (group === undefined || group === '' || /[+#]/.test(group)) {
      return 'needs the name of a group without wildcards after "$share/"'
    }
    if (rest.join('/') === '') return `needs a topic filter after "$share/${group}/"`
  }
  const levels = filterLevels(filter)
  for (const [index, level] of levels.entries()) {
    if (level.includes('#') && (level !== '#' || index !== levels.length - 1)) {
      return 'may hold "#" only as its whole last level'
    }
    if (level.includes('+') && level !== '+') return 'may hold "+" only as a whole level'
  }
  return undefined
}

/**
 * Whether a message of this topic reaches a subscription to this filter. Both must be valid. A
 * wildcard in the first level does not match topics that begin with `$` (MQTT 4.7.2).
 */
export function topicMatches(filter: string, topic: string): boolean {
  const wanted = filterLevels(filter)
  const levels = topic.split('/')
  if (topic.startsWith('$') && (wanted[0] === '+' || wanted[0] === '#')) return false
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true
    if (index >= levels.length) return false
    if (level !== '+' && level !== levels[index]) return false
  }
  return wanted.length === levels.length
}

/** What stays the same for all results of a pipeline. */
export interface TopicTemplateValues {
  readonly rule: string
  readonly model: string
}

/**
 * Gives the topic of a result; `undefined` when MQTT forbids what came out, when there is no
 * device to name, or when the source topic has too few levels.
 */
export type RenderTopic = (sourceTopic: string, device: string | undefined) => string | undefined

type Part = (sourceTopic: string, device: string | undefined) => string | undefined

/**
 * Compiles a topic template once, so that rendering costs little per result.
 *
 * Knows `${device}`, `${rule}`, `${model}`, `${topic}` and `${topic[N]}`, the N-th level of the
 * source topic counted from 0. Any other `${…}` stays as it is written. A value may itself hold
 * `/`, but `+`, `#` and NUL in the outcome are refused: data must not widen a topic.
 */
export function compileTopicTemplate(template: string, values: TopicTemplateValues): RenderTopic {
  const parts = parseTemplate(template, values)
  const [only] = parts
  if (parts.length === 1 && typeof only === 'string') {
    const topic = topicProblem(only) === undefined ? only : undefined
    return () => topic
  }
  return (sourceTopic, device) => {
    let topic = ''
    for (const part of parts) {
      const text = typeof part === 'string' ? part : part(sourceTopic, device)
      if (text === undefined) return undefined
      topic += text
    }
    return topicProblem(topic) === undefined ? topic : undefined
  }
}

function parseTemplate(template: string, values: TopicTemplateValues): (string | Part)[] {
  const parts: (string | Part)[] = []
  let text = ''
  let end = 0
  for (const found of template.matchAll(/\$\{(device|rule|model|topic)(?:\[(\d{1,5})\])?\}/g)) {
    const [whole, name, index] = found
    const part = index !== undefined && name !== 'topic' ? whole : partFor(name, index, values)
    text += template.slice(end, found.index)
    end = found.index + whole.length
    if (typeof part === 'string') {
      text += part
    } else {
      if (text !== '') parts.push(text)
      parts.push(part)
      text = ''
    }
  }
  text += template.slice(end)
  if (text !== '' || parts.length === 0) parts.push(text)
  return parts
}

function partFor(
  name: string | undefined,
  index: string | undefined,
  values: TopicTemplateValues,
): string | Part {
  if (name === 'rule') return values.rule
  if (name === 'model') return values.model
  if (name === 'device') return (_sourceTopic, device) => device
  if (index === undefined) return (sourceTopic) => sourceTopic
  return (sourceTopic) => sourceTopic.split('/')[Number(index)]
}

/** What a topic and a filter have in common. */
function textProblem(text: string): string | undefined {
  if (text === '') return 'is empty'
  if (text.includes('\0')) return 'holds a NUL character'
  // A string of UTF-16 units takes at most three bytes each: most need not be measured.
  if (text.length * 3 > topicBytesMax && Buffer.byteLength(text) > topicBytesMax) {
    return `is longer than ${topicBytesMax} bytes`
  }
  return text.isWellFormed() ? undefined : 'is not valid Unicode'
}

function isShared(filter: string): boolean {
  return filter === '$share' || filter.startsWith('$share/')
}

/** The levels that are matched: those of the filter behind `$share/group/`, if it is shared. */
function filterLevels(filter: string): string[] {
  const levels = filter.split('/')
  return isShared(filter) ? levels.slice(2) : levels
}

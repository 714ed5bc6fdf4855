/** What `${…}` may ask for in the topic of a result. */
export const placeholderNames = ['device', 'rule', 'model', 'topic'] as const

/** One `${…}` of a topic template. */
export interface TopicPlaceholder {
  readonly name: (typeof placeholderNames)[number]
  /** The N of `${topic[N]}`: a level of the source topic, counted from 0. */
  readonly level?: number
}

/** A topic has no more than 65,536 levels, hence the digits. */
const placeholder = new RegExp(
  `\\$\\{(?:(${placeholderNames.join('|')})|topic\\[(\\d{1,5})\\])\\}`,
  'g',
)

/**
 * Takes a topic template apart: `${device}`, `${rule}`, `${model}`, `${topic}`, `${topic[N]}`, and
 * the text between them. Any other `${…}` is text. No text is empty.
 */
export function parseTopicTemplate(template: string): (string | TopicPlaceholder)[] {
  const parts: (string | TopicPlaceholder)[] = []
  let end = 0
  for (const found of template.matchAll(placeholder)) {
    const [whole, name, level] = found
    if (found.index > end) parts.push(template.slice(end, found.index))
    if (level === undefined) parts.push({ name: name as TopicPlaceholder['name'] })
    else parts.push({ name: 'topic', level: Number(level) })
    end = found.index + whole.length
  }
  if (end < template.length) parts.push(template.slice(end))
  return parts
}

/** Whether a text is one `${…}` of a topic template, and nothing besides. */
export function isTopicPlaceholder(text: string): boolean {
  const parts = parseTopicTemplate(text)
  return parts.length === 1 && typeof parts[0] === 'object'
}

import { topicFault } from '../core/mqtt-topic.ts'
import { TopicMemo } from '../core/topic-memo.ts'
import { parseTopicTemplate, type TopicPlaceholder } from '../core/topic-template.ts'

/** What stays the same for all results of a pipeline. */
interface TopicTemplateValues {
  readonly rule: string
  readonly model: string
}

/**
 * Gives the topic of a result; `undefined` when MQTT forbids what came out, when there is no
 * device to name, or when the source topic has too few levels.
 */
type RenderTopic = (sourceTopic: string, device: string | undefined) => string | undefined

/**
 * Compiles a topic template once, so that rendering costs little per result.
 *
 * Any `${…}` that {@link parseTopicTemplate} does not know stays as it is written. A value may
 * itself hold `/`, but `+`, `#` and NUL in the outcome are refused: data must not widen a topic.
 */
export function compileTopicTemplate(template: string, values: TopicTemplateValues): RenderTopic {
  const parts = parseTopicTemplate(template).map((part) =>
    typeof part === 'string' ? part : partFor(part, values),
  )
  if (parts.every((part) => typeof part === 'string')) {
    const fixed = parts.join('')
    const topic = topicFault(fixed) === undefined ? fixed : undefined
    return () => topic
  }
  const rendered = new TopicMemo((sourceTopic, device) => render(parts, sourceTopic, device))
  return (sourceTopic, device) => rendered.of(sourceTopic, device)
}

function render(
  parts: readonly (string | RenderTopic)[],
  sourceTopic: string,
  device: string | undefined,
): string | undefined {
  let topic = ''
  for (const part of parts) {
    const text = typeof part === 'string' ? part : part(sourceTopic, device)
    if (text === undefined) return undefined
    topic += text
  }
  return topicFault(topic) === undefined ? topic : undefined
}

function partFor(placeholder: TopicPlaceholder, values: TopicTemplateValues): string | RenderTopic {
  const { name, level } = placeholder
  if (name === 'rule') return values.rule
  if (name === 'model') return values.model
  if (name === 'device') return (_sourceTopic, device) => device
  if (level === undefined) return (sourceTopic) => sourceTopic
  return (sourceTopic) => sourceTopic.split('/')[level]
}

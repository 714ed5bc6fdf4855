import { EdgebootError } from '../../core/errors.ts'
import { exactJsonText, parseExactJson } from '../../core/exact-json.ts'

/**
 * Reads events for a model: a line each, or one JSON document. The elements of a document that is an
 * array are the events; one event that is an array stands in another array. Integers keep all their
 * digits.
 *
 * @param where - For messages: the file, or standard input.
 * @returns JSON texts, in the order in which they stand there.
 * @throws `CLI_USAGE` naming the line that is no JSON.
 */
export function readEvents(bytes: Uint8Array, where: string): readonly string[] {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw invalid(where, 'is not UTF-8')
  }
  if (text.trim() === '') throw invalid(where, 'is empty')
  const document = parsed(text)
  if (document !== undefined) {
    const { value } = document
    return Array.isArray(value) ? value.map((one) => exactJsonText(one)) : [text.trim()]
  }
  const events: string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    try {
      JSON.parse(line)
    } catch (thrown) {
      throw invalid(where, `has no JSON in line ${index + 1}: ${(thrown as Error).message}`)
    }
    events.push(line.trim())
  }
  return events
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: parseExactJson(text) }
  } catch {
    return undefined
  }
}

function invalid(where: string, what: string): EdgebootError {
  return new EdgebootError('CLI_USAGE', `${where} ${what}`, {
    details: { where },
    fix: 'Give one JSON document, or one event in each line: {"temperature": 81.5}',
  })
}

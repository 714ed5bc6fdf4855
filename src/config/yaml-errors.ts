import type { YAMLError } from 'yaml'

const suggestions: Readonly<Record<string, string>> = {
  ALIAS_PROPS: 'an alias takes neither a tag nor an anchor',
  BAD_ALIAS: 'name an anchor that stands before it',
  BAD_DQ_ESCAPE: 'write the text in single quotes, or double the backslash',
  BAD_INDENT: 'line this up with its neighbours, using spaces',
  BLOCK_AS_IMPLICIT_KEY: 'put text that contains ": " in quotes',
  BLOCK_IN_FLOW: 'between { } and [ ] use commas, no dashes and no line-wise keys',
  IMPOSSIBLE: 'put the text in quotes',
  MISSING_CHAR: 'close what was opened',
  MULTILINE_IMPLICIT_KEY: 'a key must be on one line: check for a missing colon or quote above',
  MULTIPLE_ANCHORS: 'keep one anchor',
  MULTIPLE_DOCS: 'a configuration is one document: remove the second ---',
  TAG_RESOLVE_FAILED: 'remove the tag',
  UNEXPECTED_TOKEN: 'check for a missing quote, comma or colon, also in the line above',
}

/** Puts an error of the YAML parser into words, with what to do about it where that is known. */
export function describeYamlError(
  error: YAMLError,
  text: string,
): { readonly message: string; readonly suggestion?: string } {
  const message = `not valid YAML: ${sentence(error.message)}`
  const line = lineAt(text, error.pos[0])
  if (/[{[,:]\s*\$\{/.test(line) && /[{[].*\$\{/.test(line)) {
    return { message, suggestion: 'between { } and [ ] put "${…}" in quotes' }
  }
  if (/\[.*[\w"'\]]\[\d+\]/.test(line)) {
    return { message, suggestion: 'between { } and [ ] put what has [ ] in it in quotes' }
  }
  const suggestion = suggestions[error.code]
  return suggestion === undefined ? { message } : { message, suggestion }
}

function sentence(message: string): string {
  const first = message.split('\n')[0] ?? message
  return first.charAt(0).toLowerCase() + first.slice(1)
}

function lineAt(text: string, offset: number): string {
  const start = text.lastIndexOf('\n', Math.max(offset - 1, 0)) + 1
  const end = text.indexOf('\n', offset)
  return text.slice(start, end === -1 ? undefined : end)
}

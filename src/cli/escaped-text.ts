// oxlint-disable-next-line no-control-regex -- these are what is looked for
const obeyed = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

/** A text without characters that a terminal obeys: what an author writes may not move its cursor. */
export function escapedText(text: string): string {
  return text.replaceAll(
    obeyed,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

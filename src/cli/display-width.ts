const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u

/** Columns that one character takes on a terminal: East Asian wide characters take two. */
export function characterWidth(character: string): 1 | 2 {
  return wide.test(character) ? 2 : 1
}

/** Columns that a text takes on a terminal. */
export function displayWidth(text: string): number {
  let width = 0
  for (const character of text) width += characterWidth(character)
  return width
}

/** A text without the colours that we gave it. */
export function withoutColours(text: string): string {
  // oxlint-disable-next-line no-control-regex -- the escape is what is looked for
  return text.replaceAll(/\u001b\[\d+m/g, '')
}

/**
 * Breaks a text into lines between its words. A word that is longer than a line has one of its own,
 * and colours take no room.
 *
 * @param columns - Of a line; `Infinity` for a single one.
 */
export function wrapText(text: string, columns: number): string[] {
  const lines: string[] = []
  let line = ''
  let width = 0
  for (const word of text.split(' ')) {
    const wordWidth = displayWidth(withoutColours(word))
    if (line !== '' && width + 1 + wordWidth > columns) {
      lines.push(line)
      line = word
      width = wordWidth
    } else {
      line = line === '' ? word : `${line} ${word}`
      width = line === word ? wordWidth : width + 1 + wordWidth
    }
  }
  lines.push(line)
  return lines
}

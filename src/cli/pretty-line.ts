import type { LogLevel } from '../core/log.ts'

const levelColours: Readonly<Record<LogLevel, number>> = {
  debug: 90,
  info: 32,
  warn: 33,
  error: 31,
}

/**
 * One log line as a person reads it: time of day, level, event, then `key=value`. A text of
 * several lines, such as a traceback, follows below, indented. Characters that would steer the
 * terminal are escaped: values come from models and from the network.
 *
 * @param json - The line as written to a file.
 * @returns The text with its line ends.
 */
export function prettyLine(json: string, colours: boolean): string {
  const { time, level, event, ...fields } = JSON.parse(json) as Record<string, unknown>
  const paint = (code: number, text: string): string =>
    colours ? `\u001b[${code}m${text}\u001b[0m` : text
  const colour = levelColours[level as LogLevel] ?? 0
  const head = [
    paint(90, timeOfDay(String(time))),
    paint(colour, String(level).toUpperCase().padEnd(5)),
    paint(1, bare(String(event))),
  ]
  const below: string[] = []
  for (const [key, value] of Object.entries(fields)) {
    if (typeof value === 'string' && value.trimEnd().includes('\n')) {
      const lines = value.trimEnd().split('\n')
      below.push(`  ${bare(key)}:`, ...lines.map((line) => `    ${escapeControls(line)}`))
    } else {
      head.push(paint(90, `${bare(key)}=`) + plainValue(value))
    }
  }
  return [head.join(' '), ...below, ''].join('\n')
}

function timeOfDay(time: string): string {
  const at = new Date(time)
  const two = (value: number): string => String(value).padStart(2, '0')
  const millis = String(at.getMilliseconds()).padStart(3, '0')
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${millis}`
}

function plainValue(value: unknown): string {
  if (typeof value === 'string') return bare(value)
  return escapeControls(JSON.stringify(value))
}

/** As it is where that is unmistakable, else in quotes. */
function bare(text: string): string {
  const quoted = text === '' || /[\s"=\\\p{Cc}\p{Cf}]/u.test(text)
  return quoted ? escapeControls(JSON.stringify(text)) : text
}

function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (character) => {
    if (character === '\t') return '  '
    return `\\u${character.codePointAt(0)?.toString(16).padStart(4, '0')}`
  })
}

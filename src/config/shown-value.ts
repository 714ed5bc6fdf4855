/** Longer texts are cut. */
const shownCharsMax = 80
/** Entries of a list, or keys of a map, that are shown. */
const shownItemsMax = 12
/** Lists in lists are shown so deep. */
const shownDepthMax = 3

/**
 * A value of a message as people read it in a sentence, in about 80 characters however large it
 * is: text in quotes, lists with their first items, maps with their keys. Never throws.
 */
export function shownValue(value: unknown): string {
  return cut(shown(value, 0))
}

/** The keys of a map, as a list in a sentence; empty for an empty one. */
export function shownKeys(value: object): string {
  const keys = Object.keys(value)
  const first = keys.slice(0, shownItemsMax).map((key) => cut(shownKey(key), 40))
  const more = keys.length - first.length
  const text = cut(first.join(', '), 2 * shownCharsMax)
  return more === 0 ? text : `${text} and ${more} more`
}

/** A text in quotes, cut short. */
export function shownText(text: string): string {
  return cut(quoted(text))
}

function shown(value: unknown, depth: number): string {
  if (typeof value === 'string') return quoted(value)
  if (Array.isArray(value)) return shownList(value, depth)
  if (typeof value === 'object' && value !== null) {
    return Object.keys(value).length === 0 ? 'an empty map' : `a map of ${shownKeys(value)}`
  }
  return String(value)
}

function shownList(list: readonly unknown[], depth: number): string {
  if (depth >= shownDepthMax) return '[…]'
  const items = list.slice(0, shownItemsMax).map((item) => shown(item, depth + 1))
  if (list.length > items.length) items.push(`and ${list.length - items.length} more`)
  return `[${items.join(', ')}]`
}

/** As it is where it cannot be taken for two. */
function shownKey(key: string): string {
  return /^[^\s,;:"'()[\]]+$/.test(key) ? plain(key) : quoted(key)
}

/** Cut before it is quoted: a text may be megabytes long. */
function quoted(text: string): string {
  const charsMax = shownCharsMax - 4
  const isLong = text.length > charsMax
  const start = JSON.stringify(plain(isLong ? text.slice(0, charsMax) : text))
  return isLong ? `${start.slice(0, -1)}…"` : start
}

/** Without what would steer a terminal. */
function plain(text: string): string {
  return text.slice(0, 2 * shownCharsMax).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd')
}

function cut(text: string, charsMax = shownCharsMax): string {
  if (text.length <= charsMax) return text
  // Not between the halves of a character.
  const end = /[\ud800-\udbff]/.test(text[charsMax - 2] ?? '') ? charsMax - 2 : charsMax - 1
  return `${text.slice(0, end)}…`
}

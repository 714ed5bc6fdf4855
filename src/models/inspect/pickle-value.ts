/** What a pickle has on its stack, as far as it matters for where its names lead. */
export type PickleValue =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'none' }
  /** Anything without names in it, or what is too large to be looked at. */
  | { readonly kind: 'other' }
  | { readonly kind: 'mark' }
  | { readonly kind: 'tuple'; readonly items: readonly PickleValue[] }
  | { readonly kind: 'container'; readonly entries: Map<string, PickleValue> }
  | { readonly kind: 'global'; readonly module: string; readonly name: string }
  /** What a call gave. */
  | {
      readonly kind: 'made'
      readonly by: PickleValue
      readonly args: PickleValue
      state?: PickleValue
    }

export const other: PickleValue = { kind: 'other' }
export const none: PickleValue = { kind: 'none' }
export const mark: PickleValue = { kind: 'mark' }

const shownCharsMax = 60
const shownItemsMax = 4
const shownDepthMax = 3

/** A value as Python would write it, shortened: for messages. */
export function showValue(value: PickleValue, depth = 0): string {
  switch (value.kind) {
    case 'text': {
      const { text } = value
      return JSON.stringify(text.length > shownCharsMax ? `${text.slice(0, shownCharsMax)}…` : text)
    }
    case 'none':
      return 'None'
    case 'number':
      return String(value.value)
    case 'global':
      return JSON.stringify(`${value.module}.${value.name}`).slice(1, -1)
    case 'tuple': {
      if (depth === shownDepthMax) return '(…)'
      const shown = value.items.slice(0, shownItemsMax).map((item) => showValue(item, depth + 1))
      if (value.items.length > shownItemsMax) shown.push('…')
      return `(${shown.join(', ')})`
    }
    case 'made':
      return depth === shownDepthMax ? '…' : `${showValue(value.by, depth + 1)}(…)`
    default:
      return '…'
  }
}

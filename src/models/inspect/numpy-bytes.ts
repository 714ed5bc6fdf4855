import type { PickleValue } from './pickle-value.ts'

/** An array whose content follows in a file of joblib, between two opcodes. */
export interface RawArray {
  /** Of its elements together; absent for one of Python objects, which follow as a pickle. */
  readonly bytes?: number
  /** A byte with the length of a padding, and that, come first. */
  readonly isPadded: boolean
}

/** The class that stands for an array in a file of joblib, by whatever way it is named. */
export function isArrayWrapper(value: PickleValue): boolean {
  return (
    value.kind === 'made' &&
    value.by.kind === 'global' &&
    value.by.name.endsWith('NumpyArrayWrapper')
  )
}

/**
 * What follows a wrapper, from the state that it was given; `undefined` when that cannot be told.
 */
export function rawArray(state: PickleValue): RawArray | undefined {
  if (state.kind !== 'container') return undefined
  const shape = state.entries.get('shape')
  const dtype = state.entries.get('dtype')
  if (shape?.kind !== 'tuple' || dtype === undefined) return undefined
  let items = 1
  for (const dimension of shape.items) {
    if (dimension.kind !== 'number') return undefined
    items *= dimension.value
  }
  const alignment = state.entries.get('numpy_array_alignment_bytes')
  const isPadded = alignment !== undefined && alignment.kind !== 'none'
  const element = elementOf(dtype)
  if (element === undefined) return undefined
  if (element === 'object') return { isPadded: false }
  const bytes = items * element
  return Number.isSafeInteger(bytes) && bytes >= 0 ? { bytes, isPadded } : undefined
}

/** `NPY_ITEM_REFCOUNT`: elements refer to Python objects. */
const refersToObjects = 0x01

/** Bytes of an element of a `numpy.dtype('f8')` with its state `(3, '<', None, None, None, -1, -1, 0)`. */
function elementOf(dtype: PickleValue): number | 'object' | undefined {
  if (dtype.kind !== 'made' || dtype.args.kind !== 'tuple') return undefined
  // By any other way it could be of any size.
  if (dtype.by.kind !== 'global' || dtype.by.module !== 'numpy' || dtype.by.name !== 'dtype') {
    return undefined
  }
  const [code] = dtype.args.items
  if (code?.kind !== 'text') return undefined
  const state = dtype.state?.kind === 'tuple' ? dtype.state.items : []
  const [itemSize, flags] = [state[5], state[7]]
  if (code.text.startsWith('O')) return 'object'
  if (flags?.kind === 'number' && (flags.value & refersToObjects) !== 0) return 'object'
  // Of texts, raw bytes and records it is the state that has the size.
  if (itemSize?.kind === 'number' && itemSize.value >= 0) return itemSize.value
  const [, digits] = /^[biufcmMSV](\d{1,6})$/.exec(code.text) ?? []
  return digits === undefined ? undefined : Number(digits)
}

import type { EventPath } from '../../models/model-manifest.ts'
import type { ModelError } from '../runner.ts'
import { elementsOf, type EventShape, type InputBinding } from './bind-inputs.ts'
import {
  createElementWriter,
  type ElementWriter,
  type Verdict,
  verdicts,
} from './element-writer.ts'
import { pathText } from './model-signature.ts'
import type { Tensor } from './tensor.ts'

/** Elements of one input in one run: what bounds the memory of a batch of large events. */
export const runElementsMax = 4 * 1024 * 1024
/** Dimensions of a value that says its own shape. */
const dimensionsMax = 16
const shownCharsMax = 60
/** In place of the index of an element: all of them. */
const wholeValue = -1

/**
 * Why an event is not given to the model: an error, nothing to publish, or integers in it that need
 * to be parsed again with all of their digits.
 */
export type Refusal = ModelError | 'skip' | 'inexact'

/** The values of one input, event after event, on their way into a tensor. */
export class InputColumn {
  readonly #binding: InputBinding
  readonly #writer: ElementWriter
  /** Of one event: what the binding says, else what the last event said. */
  #shape: readonly number[]
  #elements: number
  readonly #isFixed: boolean
  readonly #standIn: number | string | boolean | undefined
  // What was wrong with the last event.
  #verdict: Verdict = verdicts.taken
  #wrongAt = 0
  #wrongValue: unknown
  #wrongLength = -1
  #claimed: readonly number[] | undefined

  constructor(binding: InputBinding) {
    this.#binding = binding
    this.#writer = createElementWriter(binding.dtype)
    this.#shape = (binding.shape ?? []).map((size) => size ?? 1)
    this.#elements = elementsOf(this.#shape)
    this.#isFixed = binding.shape !== undefined && !binding.shape.includes(null)
    const { missing } = binding
    this.#standIn = missing.kind === 'fill' ? missing.value : undefined
  }

  get name(): string {
    return this.#binding.name
  }

  /** Of one event. */
  get elements(): number {
    return this.#elements
  }

  /** Makes room for a batch. */
  reserve(rows: number): void {
    this.#writer.reserve(rows * this.#elements)
  }

  /**
   * Takes the values of an event. What it refuses leaves nothing behind.
   *
   * @param row - Number of the event in its batch; 0 for all where the shape is not fixed.
   */
  take(event: unknown, row: number): Refusal | undefined {
    const { take, paths } = this.#binding
    this.#wrongLength = -1
    this.#claimed = undefined
    const taken = take === 'each' ? this.#each(event, paths, row) : this.#whole(event, paths, row)
    return taken ? undefined : this.#refusal()
  }

  /** Fills a batch up with copies of its first event, from one row to before another. */
  pad(from: number, to: number): void {
    this.#writer.repeat(this.#elements, from, to)
  }

  /** The first events of the batch. Valid until the next of them is taken. */
  tensor(rows: number): Tensor {
    const { dtype, batch } = this.#binding
    const shape = batch === 'none' ? this.#shape : [rows, ...this.#shape]
    return { dtype, shape, data: this.#writer.view(rows * this.#elements) }
  }

  #each(event: unknown, paths: readonly EventPath[], row: number): boolean {
    let at = row * this.#elements
    for (const path of paths) if (!this.#put(at++, valueAt(event, path))) return false
    return true
  }

  #whole(event: unknown, paths: readonly EventPath[], row: number): boolean {
    let value: unknown
    for (const path of paths) {
      value = valueAt(event, path)
      if (value !== undefined) break
    }
    if (!this.#isFixed && !this.#takeShape(value)) return false
    const at = row * this.#elements
    if (Array.isArray(value)) {
      if (this.#elements === 1) return this.#put(at, unwrapped(value))
      return this.#fill(value, 0, at) >= 0
    }
    if (this.#elements === 1) return this.#put(at, value)
    if (value !== undefined && value !== null)
      return this.#refuse(verdicts.wrongType, wholeValue, value)
    for (let i = 0; i < this.#elements; i++) {
      if (!this.#put(at + i, undefined)) return this.#refuse(this.#verdict, wholeValue, value)
    }
    return true
  }

  /** @returns Index of the next element, or -1. */
  #fill(values: readonly unknown[], depth: number, first: number): number {
    const size = this.#shape[depth] ?? 0
    let at = first
    if (values.length !== size) {
      this.#wrongLength = size
      this.#refuse(verdicts.wrongType, depth === 0 ? wholeValue : at, values)
      return -1
    }
    const isInnermost = depth === this.#shape.length - 1
    for (const value of values) {
      if (isInnermost) {
        if (!this.#put(at, value)) return -1
        at += 1
      } else if (Array.isArray(value)) {
        at = this.#fill(value, depth + 1, at)
        if (at < 0) return -1
      } else {
        this.#refuse(verdicts.wrongType, at, value)
        return -1
      }
    }
    return at
  }

  /** Where the event decides: as deep as its arrays are, as far as the model lets it. */
  #takeShape(value: unknown): boolean {
    const shape: number[] = []
    let inner = value
    while (Array.isArray(inner) && shape.length < dimensionsMax) {
      shape.push(inner.length)
      inner = inner[0] as unknown
    }
    const wanted: EventShape = this.#binding.shape ?? shape
    const isMissing = value === undefined || value === null
    const isScalar = shape.length === 0
    const sizes = wanted.map((size, at) => size ?? shape[at] ?? 1)
    if (!isMissing && !isScalar && shape.length !== wanted.length) {
      this.#wrongLength = wanted.length === 0 ? 1 : -1
      return this.#refuse(verdicts.wrongType, wholeValue, value)
    }
    // Short arrays in each other claim by the first of each what no message has room for.
    if (elementsOf(sizes) > runElementsMax) {
      this.#claimed = sizes
      return this.#refuse(verdicts.wrongType, wholeValue, value)
    }
    this.#shape = sizes
    this.#elements = elementsOf(sizes)
    this.#writer.reserve(this.#elements)
    return true
  }

  #put(at: number, value: unknown): boolean {
    const verdict = this.#writer.put(at, value)
    if (verdict === verdicts.taken) return true
    if (verdict === verdicts.missing && this.#standIn !== undefined) {
      return this.#writer.put(at, this.#standIn) === verdicts.taken
    }
    if (verdict === verdicts.missing && this.#binding.missing.kind === 'nan') {
      this.#writer.putNaN(at)
      return true
    }
    return this.#refuse(verdict, at, value)
  }

  #refuse(verdict: Verdict, at: number, value: unknown): false {
    this.#verdict = verdict
    this.#wrongAt = at
    this.#wrongValue = value
    return false
  }

  #refusal(): Refusal {
    const { name, dtype, missing } = this.#binding
    const value = this.#wrongValue
    this.#wrongValue = undefined // an event is not kept for its fault
    if (this.#verdict === verdicts.inexact) return 'inexact'
    if (this.#verdict === verdicts.missing) {
      if (missing.kind === 'skip') return 'skip'
      const what = value === undefined ? 'is missing' : `is ${value === null ? 'null' : 'infinite'}`
      return { type: 'MissingInput', message: `input "${name}": ${this.#place()} ${what}` }
    }
    const message = `input "${name}": ${this.#place()} is ${this.#complaint(value)}`
    return { type: 'InvalidInput', message: `${message} (${dtype})` }
  }

  #complaint(value: unknown): string {
    if (this.#verdict === verdicts.fraction) return `${String(value)}, which is not an integer`
    if (this.#verdict === verdicts.outOfRange) return `${String(value)}, out of range`
    if (this.#claimed !== undefined) {
      return `an array of shape [${this.#claimed.join(', ')}], more than ${runElementsMax} elements`
    }
    if (Array.isArray(value)) {
      const wanted = this.#wrongLength
      if (wanted < 0 || wanted === value.length) return 'an array where there should be none'
      return `an array of ${value.length} where ${wanted} are wanted`
    }
    const isText = typeof value === 'string'
    const shown = isText ? JSON.stringify(value).slice(0, shownCharsMax) : typeof value
    return this.#shape.length > 0 && this.#elements !== 1 && this.#binding.take === 'first'
      ? `${shown} where an array of shape [${this.#shape.join(', ')}] is wanted`
      : `${shown}, not a ${kindOf(this.#binding.dtype)}`
  }

  /** The path, and in an array the index. */
  #place(): string {
    const { take, paths } = this.#binding
    const isWhole = this.#wrongAt === wholeValue || this.#elements === 0
    const at = isWhole ? 0 : this.#wrongAt % this.#elements
    if (take === 'each') return pathText(paths[at] ?? [])
    const place = pathText(paths[0] ?? [])
    return isWhole || this.#elements === 1 ? place : `${place} (element ${at})`
  }
}

/** What a path leads to; nothing is inherited. */
function valueAt(event: unknown, path: EventPath): unknown {
  let value = event
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined
    // A list has items, and no key: its length is none of them.
    if (typeof step === 'string' && Array.isArray(value)) return undefined
    value = (value as Record<string | number, unknown>)[step]
  }
  return typeof value === 'function' ? undefined : value
}

/** One element in as many arrays as may be around it. */
function unwrapped(value: unknown): unknown {
  let inner = value
  for (
    let depth = 0;
    depth < dimensionsMax && Array.isArray(inner) && inner.length === 1;
    depth++
  ) {
    inner = inner[0]
  }
  return inner
}

function kindOf(dtype: InputBinding['dtype']): string {
  return dtype === 'string' ? 'text' : dtype === 'bool' ? 'boolean' : 'number'
}

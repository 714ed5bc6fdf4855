/**
 * Values out of JSON into the elements of a tensor. One class for each way of storing, one call for
 * each element: this is on the path of every message.
 */
import type { DType } from '../../core/dtype.ts'
import type { TensorData } from './tensor.ts'

/** What became of a value. */
export const verdicts = {
  taken: 0,
  /** Absent, `null`, or a number that is not finite. */
  missing: 1,
  /** Of another type. */
  wrongType: 2,
  /** A number that the element type cannot hold. */
  outOfRange: 3,
  /** A number with a fraction, for an integer. */
  fraction: 4,
  /** An integer beyond 2^53: the digits in the event say more than the parsed number. */
  inexact: 5,
} as const

/** One of {@link verdicts}. */
export type Verdict = (typeof verdicts)[keyof typeof verdicts]

/** Elements of one type, in memory that is used for batch after batch. */
export interface ElementWriter {
  /** Makes room for this many. What was written may be gone. */
  reserve(elements: number): void
  /** Writes a value of an event if it fits. A `bigint` stands for an integer beyond 2^53. */
  put(at: number, value: unknown): Verdict
  /** Writes NaN, in the float types alone. */
  putNaN(at: number): void
  /** Copies the first `elements` over each later stretch of as many, from one to before another. */
  repeat(elements: number, from: number, to: number): void
  /** The first elements. Valid until the next call of any other method. */
  view(elements: number): TensorData
}

/** A writer for an element type. Has no room yet. */
export function createElementWriter(dtype: DType): ElementWriter {
  switch (dtype) {
    case 'string':
      return new TextWriter()
    case 'bool':
      return new BoolWriter()
    case 'int64':
      return new BigIntWriter(BigInt64Array, -(2n ** 63n), 2n ** 63n - 1n)
    case 'uint64':
      return new BigIntWriter(BigUint64Array, 0n, 2n ** 64n - 1n)
    case 'float16':
    case 'float32':
    case 'float64':
      return new FloatWriter(dtype)
    default:
      return new IntegerWriter(dtype)
  }
}

/** The smallest number that rounds to infinity in a float type. */
const floatEnds = { float16: 65_520, float32: 2 ** 128 - 2 ** 103, float64: Infinity } as const
const floatArrays = { float16: Float16Array, float32: Float32Array, float64: Float64Array } as const

class FloatWriter implements ElementWriter {
  readonly #type: keyof typeof floatEnds
  readonly #end: number
  #data: Float16Array | Float32Array | Float64Array

  constructor(type: keyof typeof floatEnds) {
    this.#type = type
    this.#end = floatEnds[type]
    this.#data = new floatArrays[type](0)
  }

  reserve(elements: number): void {
    if (this.#data.length < elements) this.#data = new floatArrays[this.#type](elements)
  }

  put(at: number, value: unknown): Verdict {
    if (typeof value === 'number') {
      if (value - value !== 0) return verdicts.missing
      if (value >= this.#end || value <= -this.#end) return verdicts.outOfRange
      this.#data[at] = value
      return verdicts.taken
    }
    if (value === undefined || value === null) return verdicts.missing
    return typeof value === 'bigint' ? this.put(at, Number(value)) : verdicts.wrongType
  }

  putNaN(at: number): void {
    this.#data[at] = Number.NaN
  }

  repeat(elements: number, from: number, to: number): void {
    repeatWithin(this.#data, elements, from, to)
  }

  view(elements: number): TensorData {
    const { buffer } = this.#data
    if (this.#data instanceof Float16Array) return new Uint16Array(buffer, 0, elements)
    return this.#data.subarray(0, elements)
  }
}

const integerTypes = {
  int8: { Elements: Int8Array, min: -128, max: 127 },
  int16: { Elements: Int16Array, min: -32_768, max: 32_767 },
  int32: { Elements: Int32Array, min: -(2 ** 31), max: 2 ** 31 - 1 },
  uint8: { Elements: Uint8Array, min: 0, max: 255 },
  uint16: { Elements: Uint16Array, min: 0, max: 65_535 },
  uint32: { Elements: Uint32Array, min: 0, max: 2 ** 32 - 1 },
} as const

class IntegerWriter implements ElementWriter {
  readonly #type: keyof typeof integerTypes
  readonly #min: number
  readonly #max: number
  #data: Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array | Uint32Array

  constructor(type: keyof typeof integerTypes) {
    const { Elements, min, max } = integerTypes[type]
    this.#type = type
    this.#min = min
    this.#max = max
    this.#data = new Elements(0)
  }

  reserve(elements: number): void {
    const { Elements } = integerTypes[this.#type]
    if (this.#data.length < elements) this.#data = new Elements(elements)
  }

  put(at: number, value: unknown): Verdict {
    if (typeof value === 'number') {
      if (value >= this.#min && value <= this.#max) {
        if (!Number.isInteger(value)) return verdicts.fraction
        this.#data[at] = value
        return verdicts.taken
      }
      return value - value === 0 ? verdicts.outOfRange : verdicts.missing
    }
    if (value === undefined || value === null) return verdicts.missing
    return typeof value === 'bigint' ? verdicts.outOfRange : verdicts.wrongType
  }

  putNaN(): void {}

  repeat(elements: number, from: number, to: number): void {
    repeatWithin(this.#data, elements, from, to)
  }

  view(elements: number): TensorData {
    return this.#data.subarray(0, elements)
  }
}

class BigIntWriter implements ElementWriter {
  readonly #Elements: typeof BigInt64Array | typeof BigUint64Array
  readonly #min: bigint
  readonly #max: bigint
  #data: BigInt64Array | BigUint64Array

  constructor(Elements: typeof BigInt64Array | typeof BigUint64Array, min: bigint, max: bigint) {
    this.#Elements = Elements
    this.#min = min
    this.#max = max
    this.#data = new Elements(0)
  }

  reserve(elements: number): void {
    if (this.#data.length < elements) this.#data = new this.#Elements(elements)
  }

  put(at: number, value: unknown): Verdict {
    if (typeof value === 'number') {
      if (!Number.isSafeInteger(value)) return this.#unsafe(value)
      value = BigInt(value)
    }
    if (typeof value !== 'bigint') {
      return value === undefined || value === null ? verdicts.missing : verdicts.wrongType
    }
    if (value < this.#min || value > this.#max) return verdicts.outOfRange
    this.#data[at] = value
    return verdicts.taken
  }

  #unsafe(value: number): Verdict {
    if (value - value !== 0) return verdicts.missing
    return Number.isInteger(value) ? verdicts.inexact : verdicts.fraction
  }

  putNaN(): void {}

  repeat(elements: number, from: number, to: number): void {
    repeatWithin(this.#data, elements, from, to)
  }

  view(elements: number): TensorData {
    return this.#data.subarray(0, elements)
  }
}

/** `true`, `false`, and the numbers that plants send for them. */
class BoolWriter implements ElementWriter {
  #data = new Uint8Array(0)

  reserve(elements: number): void {
    if (this.#data.length < elements) this.#data = new Uint8Array(elements)
  }

  put(at: number, value: unknown): Verdict {
    if (value === true || value === 1) this.#data[at] = 1
    else if (value === false || value === 0) this.#data[at] = 0
    else if (value === undefined || value === null) return verdicts.missing
    else if (typeof value !== 'number') return verdicts.wrongType
    else return value - value === 0 ? verdicts.outOfRange : verdicts.missing
    return verdicts.taken
  }

  putNaN(): void {}

  repeat(elements: number, from: number, to: number): void {
    repeatWithin(this.#data, elements, from, to)
  }

  view(elements: number): TensorData {
    return this.#data.subarray(0, elements)
  }
}

class TextWriter implements ElementWriter {
  #data: string[] = []

  reserve(elements: number): void {
    while (this.#data.length < elements) this.#data.push('')
  }

  put(at: number, value: unknown): Verdict {
    if (typeof value === 'string') {
      this.#data[at] = value
      return verdicts.taken
    }
    return value === undefined || value === null ? verdicts.missing : verdicts.wrongType
  }

  putNaN(): void {}

  repeat(elements: number, from: number, to: number): void {
    for (let at = elements * from; at < elements * to; at++) {
      this.#data[at] = this.#data[at % elements] ?? ''
    }
  }

  view(elements: number): TensorData {
    return this.#data.slice(0, elements)
  }
}

function repeatWithin(
  data: Exclude<TensorData, readonly string[]> | Float16Array,
  elements: number,
  from: number,
  to: number,
): void {
  for (let copy = from; copy < to; copy++) data.copyWithin(copy * elements, 0, elements)
}

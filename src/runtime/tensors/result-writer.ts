import type { InferOutcome } from '../runner.ts'
import type { OutputBinding } from './bind-outputs.ts'
import type { Tensor, TensorData } from './tensor.ts'

/** A model gave what cannot be published. */
export class OutputError extends Error {
  override readonly name = 'InvalidOutput'
}

/**
 * The outputs of a model as JSON text: an object for each event with every output at its place. What
 * is the same in all results is put together once.
 *
 * An output whose shape for one event is `[]` or `[1]` is a scalar, any other arrays in arrays; one
 * with keys is an object. Integers of 64 bits keep all of their digits.
 */
export class ResultWriter {
  readonly #outputs: readonly OutputWriter[]
  /** Text before each output, and after the last. */
  readonly #texts: readonly string[]
  readonly #bytesMax: number

  constructor(bindings: readonly OutputBinding[], resultBytesMax: number) {
    const writers: OutputWriter[] = []
    this.#texts = template(bindings, (binding) => writers.push(new OutputWriter(binding)))
    this.#outputs = writers
    this.#bytesMax = resultBytesMax
  }

  /** Whether all outputs have something for each of these events, and not for all of them together. */
  accept(tensors: ReadonlyMap<string, Tensor>, rows: number): boolean {
    for (const output of this.#outputs) if (!output.accept(tensors, rows)) return false
    return true
  }

  /** The result of an event, once the tensors of its batch were accepted. */
  outcome(row: number): InferOutcome {
    try {
      let text = this.#texts[0] ?? ''
      for (let at = 0; at < this.#outputs.length; at++) {
        text += (this.#outputs[at]?.text(row) ?? '') + (this.#texts[at + 1] ?? '')
      }
      const payload = Buffer.from(text)
      if (payload.length <= this.#bytesMax) return { kind: 'value', payload }
      const most = `at most ${this.#bytesMax} are published`
      throw new OutputError(`a result of ${payload.length} bytes; ${most}`)
    } catch (thrown) {
      if (!(thrown instanceof OutputError)) throw thrown
      return { kind: 'error', error: { type: thrown.name, message: thrown.message } }
    }
  }
}

/** One output in the result of one event. */
class OutputWriter {
  readonly #name: string
  readonly #keys: readonly string[] | undefined
  #tensor: Tensor = { dtype: 'float32', shape: [0], data: new Float32Array(0) }
  #data: TensorData | Float16Array = this.#tensor.data
  /** Of one event. */
  #shape: readonly number[] = []
  #elements = 0

  constructor({ name, keys }: OutputBinding) {
    this.#name = name
    this.#keys = keys?.map((key) => `${JSON.stringify(String(key))}:`)
  }

  accept(tensors: ReadonlyMap<string, Tensor>, rows: number): boolean {
    const tensor = tensors.get(this.#name)
    if (tensor === undefined) throw new OutputError(`the model gave no output "${this.#name}"`)
    const { shape, data, dtype } = tensor
    const isBatched = shape.length > 0 && shape[0] === rows
    // Of a single event an output may lack the dimension of the batch.
    if (!isBatched && rows !== 1) return false
    this.#tensor = tensor
    this.#shape = isBatched ? shape.slice(1) : shape
    this.#elements = this.#shape.reduce((product, size) => product * size, 1)
    this.#data =
      dtype === 'float16' && data instanceof Uint16Array
        ? new Float16Array(data.buffer as ArrayBuffer, data.byteOffset, data.length)
        : data
    return true
  }

  text(row: number): string {
    const at = row * this.#elements
    if (this.#keys !== undefined) return this.#nested(0, at, this.#elements)
    return this.#elements === 1 && this.#shape.length <= 1
      ? this.#element(at)
      : this.#nested(0, at, this.#elements)
  }

  #nested(depth: number, first: number, elements: number): string {
    const size = this.#shape[depth] ?? 1
    if (depth >= this.#shape.length - 1) return this.#innermost(first, size)
    const each = size === 0 ? 0 : elements / size
    let text = '['
    for (let i = 0; i < size; i++) {
      if (i > 0) text += ','
      text += this.#nested(depth + 1, first + i * each, each)
    }
    return `${text}]`
  }

  #innermost(first: number, size: number): string {
    const keys = this.#keys
    if (keys !== undefined && keys.length !== size) {
      throw new OutputError(`output "${this.#name}" has ${size} values for ${keys.length} keys`)
    }
    let text = keys === undefined ? '[' : '{'
    for (let i = 0; i < size; i++) {
      if (i > 0) text += ','
      if (keys !== undefined) text += keys[i] ?? ''
      text += this.#element(first + i)
    }
    return text + (keys === undefined ? ']' : '}')
  }

  #element(at: number): string {
    const value = this.#data[at]
    if (typeof value === 'number') {
      if (this.#tensor.dtype === 'bool') return value === 0 ? 'false' : 'true'
      if (value - value === 0) return String(value)
      throw new OutputError(`output "${this.#name}" is ${value}, which JSON cannot hold`)
    }
    if (typeof value === 'bigint') return String(value)
    if (typeof value === 'string') return JSON.stringify(value)
    const shape = `[${this.#tensor.shape.join(', ')}]`
    throw new OutputError(`output "${this.#name}" has fewer values than its shape ${shape} says`)
  }
}

/** @returns One text more than there are outputs. */
function template(
  bindings: readonly OutputBinding[],
  visit: (binding: OutputBinding) => void,
): string[] {
  const texts = ['']
  const append = (text: string): void => void texts.push((texts.pop() ?? '') + text)
  const write = (inside: readonly OutputBinding[], depth: number): void => {
    append('{')
    const groups = Map.groupBy(inside, ({ path }) => String(path[depth]))
    let isFirst = true
    for (const [key, members] of groups) {
      append(`${isFirst ? '' : ','}${JSON.stringify(key)}:`)
      isFirst = false
      const [only] = members
      if (only !== undefined && only.path.length === depth + 1) {
        visit(only)
        texts.push('')
      } else write(members, depth + 1)
    }
    append('}')
  }
  write(bindings, 0)
  return texts
}

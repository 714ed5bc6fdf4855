import type { LogLevel } from '../../core/log.ts'
import { isUnpublished } from '../json-result.ts'
import type { InferItem, InferOutcome } from '../runner.ts'
import { abiVersion } from './check-module.ts'
import { type WasmModule, webAssembly } from './web-assembly.ts'

/** A module did what the ABI does not allow. */
export class AbiError extends Error {
  override readonly name = 'AbiError'
}

/** What an instance needs besides its module. */
export interface WasmHost {
  /** JSON in UTF-8 for `edgeboot_init`. */
  readonly start: Uint8Array
  readonly resultBytesMax: number
  log(level: LogLevel, message: string): void
}

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
const messageBytesMax = 2 * 1024
const logBytesMax = 4 * 1024
const noContext = Buffer.from('{}')
const empty: InferOutcome = { kind: 'empty' }

type WasmFunction = (...args: number[]) => unknown

/** One instance of a module: its memory and all that it remembers. After a throw it is unfit for more. */
export class WasmInstance {
  readonly #exports: Readonly<Record<string, unknown>>
  readonly #memory: { readonly buffer: ArrayBuffer }
  readonly #host: WasmHost
  /** What the call under way has given so far. */
  #outcome: InferOutcome | undefined

  /**
   * Instantiates and initialises.
   *
   * @throws AbiError, and what the module threw.
   */
  constructor(module: WasmModule, host: WasmHost) {
    this.#host = host
    const instance = new webAssembly.Instance(module, {
      edgeboot: {
        result: (pointer = 0, length = 0) => this.#give(this.#valueAt(pointer, length)),
        error: (pointer = 0, length = 0) => this.#give(this.#errorAt(pointer, length)),
        log: (level = 1, pointer = 0, length = 0) => this.#log(level, pointer, length),
      },
    })
    this.#exports = instance.exports
    this.#memory = instance.exports['memory'] as { readonly buffer: ArrayBuffer }
    this.#exported('_initialize')?.()
    this.#checkVersion()
    this.#start()
  }

  /**
   * Gives it one event.
   *
   * @throws AbiError, and what the module threw.
   */
  handle({ event, context }: InferItem): InferOutcome {
    const told = context.length === 0 ? noContext : context
    return this.#call('edgeboot_handle', [event, told])
  }

  #checkVersion(): void {
    const version = this.#exported('edgeboot_abi_version')?.()
    if (version === abiVersion) return
    throw new AbiError(`it speaks version ${String(version)} of the ABI, and this is ${abiVersion}`)
  }

  #start(): void {
    if (this.#exported('edgeboot_init') === undefined) return
    const outcome = this.#call('edgeboot_init', [this.#host.start])
    if (outcome.kind === 'error') throw new AbiError(outcome.error.message)
    if (outcome.kind === 'value') throw new AbiError('edgeboot_init gave a result')
  }

  /** Calls with the texts side by side in one buffer that the module lends. */
  #call(name: string, texts: readonly Uint8Array[]): InferOutcome {
    const bytes = texts.reduce((sum, text) => sum + text.length, 0)
    const pointer = Number(this.#exported('edgeboot_alloc')?.(bytes)) >>> 0
    if (pointer === 0) {
      const message = `the module has no room for the ${bytes} bytes of an event and its context: edgeboot_alloc returned 0`
      return { kind: 'error', error: { type: 'OutOfMemory', message } }
    }
    const buffer = this.#bytes(pointer, bytes, 'edgeboot_alloc returned')
    const args: number[] = []
    let at = 0
    for (const text of texts) {
      buffer.set(text, at)
      args.push(pointer + at, text.length)
      at += text.length
    }
    this.#outcome = undefined
    this.#exported(name)?.(...args)
    const outcome = this.#outcome ?? empty
    this.#outcome = undefined
    this.#exported('edgeboot_free')?.(pointer, bytes)
    return outcome
  }

  #give(outcome: InferOutcome): void {
    if (this.#outcome !== undefined) throw new AbiError('it gave two results for one event')
    this.#outcome = outcome
  }

  #valueAt(pointer: number, length: number): InferOutcome {
    const bytes = this.#bytes(pointer, length, 'a result')
    const bytesMax = this.#host.resultBytesMax
    if (bytes.length > bytesMax) {
      const message = `a result of ${bytes.length} bytes; at most ${bytesMax} are published`
      return { kind: 'error', error: { type: 'ResultError', message } }
    }
    // A copy: the module goes on using its memory.
    return isUnpublished(bytes) ? empty : { kind: 'value', payload: bytes.slice() }
  }

  #errorAt(pointer: number, length: number): InferOutcome {
    const message = this.#text(pointer, length, messageBytesMax, 'an error')
    return { kind: 'error', error: { type: 'ModelError', message } }
  }

  #log(level: number, pointer: number, length: number): void {
    const name = levels[level]
    if (name === undefined) {
      throw new AbiError(`it logs at level ${level}; there are 0 debug, 1 info, 2 warn, 3 error`)
    }
    this.#host.log(name, this.#text(pointer, length, logBytesMax, 'a log line'))
  }

  #text(pointer: number, length: number, bytesMax: number, what: string): string {
    return new TextDecoder().decode(this.#bytes(pointer, length, what).subarray(0, bytesMax))
  }

  /** A view that lasts until the memory grows. */
  #bytes(pointer: number, length: number, what: string): Uint8Array {
    const { buffer } = this.#memory
    const [start, size] = [pointer >>> 0, length >>> 0]
    if (start + size <= buffer.byteLength) return new Uint8Array(buffer, start, size)
    const whole = `${what} address ${start}, length ${size}`
    throw new AbiError(`${whole}: beyond the memory of ${buffer.byteLength} bytes`)
  }

  #exported(name: string): WasmFunction | undefined {
    const value = this.#exports[name]
    return typeof value === 'function' ? (value as WasmFunction) : undefined
  }
}

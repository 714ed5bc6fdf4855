import { readFile } from 'node:fs/promises'
import { answerEach } from '../answer-each.ts'
import type { ExecutorOptions, ModelExecutor } from '../model-executor.ts'
import { ModelLoadError } from '../model-module.ts'
import type { InferItem, InferOutcome } from '../runner.ts'
import { abiVersion, faultOfModule } from './check-module.ts'
import { limitMemory, ModuleFormatError } from './limit-memory.ts'
import { memoryPagesMax } from './memory-pages.ts'
import { describeTrap } from './trap.ts'
import { WasmInstance, type WasmHost } from './wasm-instance.ts'
import { type WasmModule, webAssembly } from './web-assembly.ts'

/**
 * Loads a WebAssembly module that speaks our ABI: `docs/wasm-abi.md`. It gets no import besides
 * that, and no memory beyond what its func allows. After a trap, or what the ABI does not allow, it
 * is instantiated anew for the next event: its memory may be anything by then.
 *
 * @throws ModelLoadError
 */
export async function openWasm(options: ExecutorOptions): Promise<ModelExecutor> {
  const { model, constants, resultBytesMax } = options
  const { entryFile } = model
  const pagesMax = memoryPagesMax(options.memoryBytesMax)
  const module = await compile(entryFile, pagesMax)
  const fault = faultOfModule(module, entryFile)
  if (fault !== undefined) throw new ModelLoadError(fault)
  const { rule, params } = constants
  const host: WasmHost = {
    start: Buffer.from(JSON.stringify({ rule, model: constants.model, params })),
    resultBytesMax,
    log: (level, message) => constants.log[level](message),
  }
  const loaded = new LoadedWasm(module, host, entryFile)
  loaded.load()
  return {
    engine: `WebAssembly ABI ${abiVersion} (V8 ${process.versions.v8})`,
    execute: (items, mark, emit) => answerEach(items, mark, emit, (item) => loaded.answer(item)),
    close: () => Promise.resolve(),
  }
}

async function compile(file: string, pagesMax: number): Promise<WasmModule> {
  try {
    return await webAssembly.compile(limitMemory(await readFile(file), pagesMax))
  } catch (thrown) {
    const text = thrown instanceof Error ? thrown.message : String(thrown)
    const isFormat = thrown instanceof ModuleFormatError
    const reason = isFormat
      ? text
      : `cannot be compiled: ${text.replace(/^WebAssembly\.\w+\(\): /, '')}`
    throw new ModelLoadError({ kind: 'file', message: `${file} ${reason}`, where: file })
  }
}

class LoadedWasm {
  readonly #module: WasmModule
  readonly #host: WasmHost
  readonly #file: string
  /** Absent after a trap. */
  #instance: WasmInstance | undefined

  constructor(module: WasmModule, host: WasmHost, file: string) {
    this.#module = module
    this.#host = host
    this.#file = file
  }

  /** @throws ModelLoadError */
  load(): void {
    try {
      this.#instance = new WasmInstance(this.#module, this.#host)
    } catch (thrown) {
      const { type, message, where, traceback } = describeTrap(thrown, this.#file)
      const text = type === 'AbiError' ? message : `${type}: ${message}`
      throw new ModelLoadError({
        kind: 'import',
        message: `${this.#file} could not be initialised: ${text}`,
        where: where ?? this.#file,
        ...(traceback === undefined ? {} : { traceback }),
      })
    }
  }

  answer(item: InferItem): InferOutcome {
    try {
      this.#instance ??= new WasmInstance(this.#module, this.#host)
      return this.#instance.handle(item)
    } catch (thrown) {
      this.#instance = undefined
      return { kind: 'error', error: describeTrap(thrown, this.#file) }
    }
  }
}

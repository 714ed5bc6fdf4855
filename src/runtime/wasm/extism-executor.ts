import type { Plugin } from '@extism/extism'
import { readFile } from 'node:fs/promises'
import { answerEach } from '../answer-each.ts'
import { isUnpublished } from '../json-result.ts'
import type { ExecutorOptions, ModelExecutor } from '../model-executor.ts'
import { ModelLoadError } from '../model-module.ts'
import type { InferItem, InferOutcome } from '../runner.ts'
import { limitMemory } from './limit-memory.ts'
import { memoryPagesMax } from './memory-pages.ts'
import { describeTrap } from './trap.ts'

/** The version that was tried, and that the tests run. */
const packageVersion = '1.0.3'
const functionName = 'handle'

/**
 * Loads a plug-in for Extism: the event is the input of its function `handle`, the output is
 * published. It has the params as its configuration, texts as they are and all else as JSON. It gets
 * no WASI, hosts or paths.
 *
 * @throws ModelLoadError
 */
export async function openExtism(options: ExecutorOptions): Promise<ModelExecutor> {
  const { entryFile } = options.model
  const create = await importEngine(entryFile)
  const params = Object.entries(options.constants.params)
  const config = Object.fromEntries(params.map(([name, value]) => [name, configText(value)]))
  const open = async (): Promise<Plugin> => {
    const data = limitMemory(await readFile(entryFile), memoryPagesMax(options.memoryBytesMax))
    const bounds = { useWasi: false, allowedHosts: [], allowedPaths: {}, runInWorker: false }
    return await create({ wasm: [{ data }] }, { ...bounds, config })
  }
  const fail = (kind: 'file' | 'no-handler', message: string): ModelLoadError =>
    new ModelLoadError({ kind, message: `${entryFile} ${message}`, where: entryFile })
  let plugin: Plugin | undefined
  try {
    plugin = await open()
  } catch (thrown) {
    throw fail('file', `is no plug-in that Extism takes: ${String(thrown)}`)
  }
  if (!(await plugin.functionExists(functionName))) {
    throw fail('no-handler', `exports no function named ${functionName}`)
  }
  const answer = async ({ event }: InferItem): Promise<InferOutcome> => {
    try {
      plugin ??= await open()
      // A copy: it would hand over the whole buffer that the event is a view on.
      const output = (await plugin.call(functionName, Uint8Array.from(event)))?.bytes()
      if (output === undefined || isUnpublished(output)) return { kind: 'empty' }
      if (output.length > options.resultBytesMax) return tooLarge(output.length, options)
      return { kind: 'value', payload: output.slice() }
    } catch (thrown) {
      const { type, ...error } = describeTrap(thrown, entryFile)
      const isTrap = type === 'WasmTrap'
      if (isTrap) plugin = undefined // its memory may be anything by now
      return { kind: 'error', error: { ...error, type: isTrap ? type : 'ExtismError' } }
    }
  }
  return {
    engine: `Extism ${packageVersion} (V8 ${process.versions.v8})`,
    execute: (items, mark, emit) => answerEach(items, mark, emit, answer),
    close: async () => await plugin?.close(),
  }
}

async function importEngine(file: string): Promise<typeof import('@extism/extism').createPlugin> {
  try {
    return (await import('@extism/extism')).createPlugin
  } catch (thrown) {
    throw new ModelLoadError({
      kind: 'engine',
      message: `${file} is a plug-in for Extism, which is not installed: npm install @extism/extism@${packageVersion} where edgeboot is (${String(thrown)})`,
      where: file,
    })
  }
}

function configText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function tooLarge(bytes: number, { resultBytesMax }: ExecutorOptions): InferOutcome {
  const message = `a result of ${bytes} bytes; at most ${resultBytesMax} are published`
  return { kind: 'error', error: { type: 'ResultError', message } }
}

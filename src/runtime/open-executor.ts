import { executeBatch } from './batch-executor.ts'
import type { ExecutorOptions, ModelExecutor } from './model-executor.ts'
import { loadModel, ModelLoadError } from './model-module.ts'

/**
 * Loads a model of any kind that runs where this code runs. What only one kind needs is imported
 * when that kind is asked for.
 *
 * @throws ModelLoadError
 */
export async function openExecutor(options: ExecutorOptions): Promise<ModelExecutor> {
  const { format, entryFile } = options.model
  switch (format) {
    case 'module':
      return await openModule(options)
    case 'tfjs':
      return await openTfjs(options)
    case 'onnx':
      return await openOnnx(options)
    case 'extism':
      return await (await import('./wasm/extism-executor.ts')).openExtism(options)
    case 'wasm':
      return await (await import('./wasm/wasm-executor.ts')).openWasm(options)
    default:
      throw new ModelLoadError({
        kind: 'import',
        message: `${entryFile} is of the format ${format}, which no executor takes`,
        where: entryFile,
      })
  }
}

async function openModule({ model, constants }: ExecutorOptions): Promise<ModelExecutor> {
  const loaded = await loadModel(model)
  return {
    engine: `Node ${process.versions.node}`,
    execute: (items, mark, emit) => executeBatch(loaded, constants, items, mark, emit),
    close: () => Promise.resolve(),
  }
}

async function openTfjs(options: ExecutorOptions): Promise<ModelExecutor> {
  const { openTfjsModel } = await import('./tensorflow/tfjs-model.ts')
  const { createTensorExecutor } = await import('./tensors/tensor-executor.ts')
  return await createTensorExecutor(await openTfjsModel(options.model.entryFile), options)
}

async function openOnnx(options: ExecutorOptions): Promise<ModelExecutor> {
  const { openOnnxModel } = await import('./onnx/onnx-model.ts')
  const { createTensorExecutor } = await import('./tensors/tensor-executor.ts')
  return await createTensorExecutor(await openOnnxModel(options), options)
}

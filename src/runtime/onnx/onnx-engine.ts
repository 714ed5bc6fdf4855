/** onnxruntime, as it is installed: the native library, else the WebAssembly build. */
import type * as Onnxruntime from 'onnxruntime-node'
import { ModelLoadError } from '../model-module.ts'

/** What both builds export. */
export type Onnx = Pick<typeof Onnxruntime, 'InferenceSession' | 'Tensor' | 'env'>

/** A build of onnxruntime in memory. */
export interface OnnxEngine {
  readonly onnx: Onnx
  /** Such as `onnxruntime 1.30.0`, or `onnxruntime 1.30.0 (WebAssembly)`. */
  readonly name: string
  /** Can open files by itself, and with them the files of weights beside them. */
  readonly opensFiles: boolean
}

/** Imports a package. */
export type ImportPackage = (name: string) => Promise<unknown>

const packages = [
  { name: 'onnxruntime-node', suffix: '', opensFiles: true },
  { name: 'onnxruntime-web', suffix: ' (WebAssembly)', opensFiles: false },
] as const

const importInstalled: ImportPackage = async (name) => await import(name)

/**
 * Loads the native build, or the WebAssembly build where that one is not installed or does not fit
 * this machine. Neither is part of edgeboot: the first is an optional dependency, the second 148 MB.
 *
 * @throws ModelLoadError that says how to install it, and why it could not be loaded.
 */
export async function loadOnnxEngine(
  importPackage: ImportPackage = importInstalled,
): Promise<OnnxEngine> {
  const reasons: string[] = []
  for (const { name, suffix, opensFiles } of packages) {
    try {
      const onnx = exportsOf(await importPackage(name))
      if (!opensFiles) onnx.env.wasm.numThreads = 1
      const version = onnx.env.versions.common
      return { onnx, name: `onnxruntime ${version}${suffix}`, opensFiles }
    } catch (thrown) {
      reasons.push(reasonText(name, thrown))
    }
  }
  const command = 'npm install --onnxruntime-node-install=skip onnxruntime-node@1.30.0'
  throw new ModelLoadError({
    kind: 'engine',
    message: `onnxruntime cannot be loaded; install it beside edgeboot with "${command}", or onnxruntime-web where there is no native build (${reasons.join('; ')})`,
  })
}

function reasonText(name: string, thrown: unknown): string {
  const [line = ''] = String(thrown).split('\n', 1)
  const isAbsent = line.includes('ERR_MODULE_NOT_FOUND') && line.includes(`'${name}'`)
  return isAbsent ? `${name} is not installed` : `${name}: ${line}`
}

/** A CommonJS package may have everything under `default`. */
function exportsOf(module: unknown): Onnx {
  const { default: inner } = module as { readonly default?: Onnx }
  return inner ?? (module as Onnx)
}

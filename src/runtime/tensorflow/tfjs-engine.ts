import type { GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter'
import type * as tfjs from '@tensorflow/tfjs-core'
import { ModelLoadError } from '../model-module.ts'

/** The version that the tests ran with; what the message about missing packages names. */
const testedVersion = '4.22.0'

const packages = ['tfjs-core', 'tfjs-converter', 'tfjs-backend-cpu'].map(
  (name) => `@tensorflow/${name}`,
)

/** A graph model in memory. */
export type TfjsGraph = GraphModel

/** What there is of TensorFlow.js. */
export interface TfjsEngine {
  readonly core: typeof tfjs
  readonly loadGraphModel: typeof loadGraphModel
}

/**
 * Loads TensorFlow.js, which is not installed with edgeboot, with the backend that computes as
 * TensorFlow does. The one in WebAssembly is several times faster on large layers, but a layer with
 * relu answers 0 there where a NaN came in.
 *
 * @param entryFile - Of the model that needs it.
 * @throws ModelLoadError when it is not installed.
 */
export async function loadTfjs(entryFile: string): Promise<TfjsEngine> {
  try {
    const core = await import('@tensorflow/tfjs-core')
    core.enableProdMode() // else it prints on first use that there is another package
    const { loadGraphModel } = await import('@tensorflow/tfjs-converter')
    await import('@tensorflow/tfjs-backend-cpu')
    await core.setBackend('cpu')
    return { core, loadGraphModel }
  } catch (thrown) {
    throw engineError(thrown, entryFile)
  }
}

/** An error of the import of TensorFlow.js, or of what it imports, as why a model cannot be loaded. */
export function engineError(thrown: unknown, entryFile: string): ModelLoadError {
  const reason = thrown instanceof Error ? (thrown.message.split('\n', 1)[0] ?? '') : String(thrown)
  const install = packages.map((name) => `${name}@${testedVersion}`).join(' ')
  return new ModelLoadError({
    kind: 'engine',
    message: `${entryFile} needs TensorFlow.js, which cannot be loaded: ${reason}. Install it where edgeboot is installed: npm install ${install}`,
    where: entryFile,
  })
}

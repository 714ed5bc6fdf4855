/** The models that `onnx.ts` measures, and the events that they are given. */
import { join } from 'node:path'
import type { ModelPackage } from '../src/models/model-package.ts'
import { pressFolder, pressManifest } from '../test/support/press-model.ts'

/** A model of the bench. */
export interface BenchModel {
  readonly title: string
  readonly package: ModelPackage
  /** The event with this number, as JSON. */
  event(number: number): string
}

const root = join(import.meta.dirname, '..')

/** Each kind of load: next to nothing, what plants run, and what keeps a core busy. */
export const benchModels: Readonly<Record<string, BenchModel>> = {
  tiny: {
    title: 'tiny: ridge regression of 3 numbers',
    package: packageOf('tiny', join(root, 'test/fixtures/models/onnx'), 'linear-regressor.onnx'),
    event: (number) => JSON.stringify({ x: [number % 7, 0.5, (number % 11) / 11] }),
  },
  press: {
    title: 'typical: examples/models/onnx, boosted trees, 7 inputs, 2 of them texts',
    package: { ...packageOf('press', pressFolder, 'model.onnx'), manifest: pressManifest },
    event: (number) =>
      JSON.stringify({
        telemetry: {
          temperature: 50 + (number % 20),
          vibration: (number % 13) / 3,
          pressure: 150 + (number % 50),
          load: (number % 10) / 10,
          rpm: 1400 + (number % 100),
          mode: 'press',
          oil: 'mineral',
        },
      }),
  },
  network: {
    title: 'larger: network of 64 → 1024 → 1024 → 8',
    package: packageOf('network', join(root, 'bench/models/onnx'), 'network.onnx'),
    event: signalOf,
  },
  signal: {
    title: 'heavy: convolutions, three of 64 channels over 64 samples of a signal',
    package: packageOf('signal', join(root, 'bench/models/onnx'), 'signal.onnx'),
    event: signalOf,
  },
}

function signalOf(number: number): string {
  return JSON.stringify({ x: Array.from({ length: 64 }, (_, at) => ((number + at) % 10) / 10) })
}

function packageOf(name: string, folder: string, file: string): ModelPackage {
  return {
    name,
    version: '1.0.0',
    runtime: 'onnx',
    format: 'onnx',
    folder,
    entryFile: join(folder, file),
    modelsFolder: folder,
  }
}

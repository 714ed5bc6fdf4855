import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { ModelManifest } from '../../src/models/model-manifest.ts'
import { needs, needsModule } from './requirements.ts'
import type { ModelUnderTest } from './running-model.ts'
import { input, manifest } from './tensor-bench.ts'

const root = join(import.meta.dirname, '..', '..')
const python = '/usr/bin/python3'

/** Folder of the example that a scikit-learn pipeline was exported to. */
export const pressFolder = join(root, 'examples', 'models', 'onnx')

/** What `model.yaml` of the example says. */
export const pressManifest: ModelManifest = manifest(
  [
    ...['temperature', 'vibration', 'pressure', 'load', 'rpm'].map((name) =>
      input(name, { paths: [['telemetry', name]], missing: { kind: 'nan' } }),
    ),
    ...['mode', 'oil'].map((name) => input(name, { paths: [['telemetry', name]] })),
  ],
  [
    { name: 'output_label', path: ['verdict'] },
    { name: 'output_probability', path: ['chance'] },
  ],
)

/** The example, to be run. */
export const pressModel: ModelUnderTest = {
  runtime: 'onnx',
  format: 'onnx',
  folder: pressFolder,
  entry: 'model.onnx',
  manifest: pressManifest,
}

/** For `{ skip: needsScikitLearn }`: the joblib was written by Debian's. */
export const needsScikitLearn =
  needs(python, 'apt-get install python3') ||
  needsModule(python, 'sklearn', 'apt-get install python3-sklearn')

/** What the pipeline itself answers to an event. */
export interface PressAnswer {
  readonly event: unknown
  readonly verdict: string
  readonly chance: Readonly<Record<string, number>>
}

/** Random events, the same every time, with the answers of scikit-learn in Python. */
export function pressAnswers(count: number): PressAnswer[] {
  const script = join(root, 'test', 'fixtures', 'models', 'plant-classifier', 'answers.py')
  const { stdout, stderr, status } = spawnSync(python, [script, String(count)], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status !== 0) throw new Error(`answers.py failed: ${stderr}`)
  const lines = stdout.trim().split('\n')
  return lines.map((line) => JSON.parse(line) as PressAnswer)
}

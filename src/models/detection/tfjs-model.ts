import { readFile, stat } from 'node:fs/promises'

/** A graph of a large model; its weights are in other files. */
const modelBytesMax = 64 * 1024 * 1024

/** What a `model.json` holds: a model of TensorFlow.js, of one of its two forms, or something else. */
export type TfjsForm = 'graph' | 'layers' | 'other'

/** Looks at a `model.json`. What cannot be read or is too large is something else. */
export async function tfjsForm(file: string): Promise<TfjsForm> {
  try {
    if ((await stat(file)).size > modelBytesMax) return 'other'
    return formOf(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return 'other'
  }
}

function formOf(model: unknown): TfjsForm {
  if (!isMap(model)) return 'other'
  if (model['format'] === 'graph-model') return 'graph'
  if (model['format'] === 'layers-model') return 'layers'
  const topology = model['modelTopology']
  if (!isMap(topology)) return 'other'
  // Files of old converters have no format: a graph has nodes, a Keras model its configuration.
  return Array.isArray(topology['node']) ? 'graph' : 'layers'
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

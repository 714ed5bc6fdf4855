import type { EventPath, ManifestInput, ModelManifest } from '../../models/model-manifest.ts'
import type { ModelPackage } from '../../models/model-package.ts'
import type { ModelSample } from '../../models/model-sample.ts'
import type { ModelError, RunnerReady } from '../../runtime/runner.ts'
import { escapedText } from '../escaped-text.ts'
import { textTable } from '../text-table.ts'
import { kindText } from './kind-text.ts'

const shownEventCharsMax = 400

/** An error of the model: what and where in a line, then what Python or Node say of the way there. */
export function modelErrorText({ type, message, where, traceback }: ModelError): string {
  const place = where === undefined ? '' : ` at ${where}`
  const first = `${type}: ${message}${place}`
  if (traceback === undefined || traceback.trim() === '') return first
  return `${first}\n${traceback.trimEnd().replaceAll(/^/gm, '  ')}`
}

/** How long events took. */
export interface Timing {
  readonly loadMs: number
  /** From the first event to the last answer. */
  readonly totalMs: number
  /** Of each event, in any order. */
  readonly eventsMs: readonly number[]
}

/** Throughput and latencies, in a line. One event at a time: batches in a pipeline are faster. */
export function timingText({ loadMs, totalMs, eventsMs }: Timing): string {
  const sorted = Float64Array.from(eventsMs).sort()
  const at = (part: number): string =>
    milliseconds(sorted[Math.min(Math.ceil(part * sorted.length), sorted.length) - 1] ?? 0)
  const perSecond = (eventsMs.length / totalMs) * 1000
  return (
    `${count(eventsMs.length)} events in ${seconds(totalMs)}, one at a time: ` +
    `${count(Math.round(perSecond))} per second; each p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}; ` +
    `loaded in ${seconds(loadMs)}`
  )
}

/** Milliseconds as people read them. */
export function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}

function count(number: number): string {
  return number.toLocaleString('en-US')
}

/** What is known of a model once it is loaded. */
export interface LoadedModel extends RunnerReady {
  readonly loadMs: number
  readonly samples: readonly ModelSample[]
}

/** What a model is and wants, for one who gave it nothing. */
export function wantedText(
  model: ModelPackage,
  named: string,
  { engine, signature, loadMs, samples }: LoadedModel,
): string {
  const { manifest } = model
  const version = model.version === 'folder' ? '' : ` ${model.version}`
  const lines = [
    `${model.name}${version}: ${kindText(model)}, loaded by ${engine} in ${seconds(loadMs)}`,
  ]
  if (signature !== undefined) lines.push('', `${escapedText(signature)}.`)
  lines.push('', ...inputLines(manifest, signature))
  const params = manifest?.params ?? {}
  if (Object.keys(params).length > 0) {
    lines.push('', `params, for --params to replace: ${JSON.stringify(params)}`)
  }
  const [sample] = samples
  const event = sample === undefined ? '{"temperature": 81.5}' : cut(sample.event)
  const quoted = event.replaceAll("'", String.raw`'\''`)
  lines.push('', 'Try it:', `  echo '${quoted}' | edgeboot model run ${named} --input -`)
  if (samples.length > 0) {
    lines.push(`  edgeboot model run ${named} --samples        ${samples.length} in the package`)
  }
  return `${lines.join('\n')}\n`
}

function inputLines(manifest: ModelManifest | undefined, signature: string | undefined): string[] {
  if (manifest === undefined || manifest.inputs.length === 0) {
    return signature === undefined
      ? ['It takes events as JSON; what must be in them, its author knows.']
      : ['Each input is looked for under its name in the event, then in "telemetry" of it.']
  }
  const rows = manifest.inputs.map((input) => [
    input.name,
    input.paths.map(pathText).join(', '),
    `${input.dtype ?? 'as the model has it'}${input.shape?.length ? `[${input.shape.join(', ')}]` : ''}`,
    missingText(input),
  ])
  return textTable(['INPUT', 'IN THE EVENT', 'TYPE', 'WHEN MISSING'], rows)
}

function pathText(path: EventPath): string {
  return path
    .map((step, index) =>
      typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`,
    )
    .join('')
}

function missingText({ missing }: ManifestInput): string {
  return missing.kind === 'fill' ? `fill ${JSON.stringify(missing.value)}` : missing.kind
}

function cut(text: string): string {
  return text.length <= shownEventCharsMax ? text : '{…}'
}

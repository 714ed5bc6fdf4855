import { ModelLoadError } from '../model-module.ts'

/** Threads of one session. */
export interface SessionThreads {
  /** Within an operator. */
  readonly intraOpThreads: number
  /** For operators beside each other. */
  readonly interOpThreads: number
}

const threadsMax = 64
const names: ReadonlySet<string> = new Set(['intraOpThreads', 'interOpThreads'])

/**
 * Threads as `params.onnx` asks for them; one each without: the models of a plant share its cores,
 * and more of a small model is more workers of its func.
 *
 * @throws ModelLoadError
 */
export function sessionThreads(params: Readonly<Record<string, unknown>>): SessionThreads {
  const given = params['onnx'] ?? {}
  if (typeof given !== 'object') throw refused('params.onnx', 'is not a mapping')
  for (const name of Object.keys(given)) {
    if (!names.has(name)) {
      throw refused(`params.onnx.${name}`, `is unknown; there are ${[...names].join(' and ')}`)
    }
  }
  const { intraOpThreads, interOpThreads } = given as Record<string, unknown>
  return {
    intraOpThreads: threadsOf('intraOpThreads', intraOpThreads),
    interOpThreads: threadsOf('interOpThreads', interOpThreads),
  }
}

function threadsOf(name: string, value: unknown = 1): number {
  const isFit = Number.isInteger(value) && Number(value) >= 1 && Number(value) <= threadsMax
  if (isFit) return Number(value)
  const is = JSON.stringify(value)
  throw refused(`params.onnx.${name}`, `is ${is}, not a whole number from 1 to ${threadsMax}`)
}

function refused(field: string, complaint: string): ModelLoadError {
  return new ModelLoadError({ kind: 'mismatch', message: `${field} ${complaint}` })
}

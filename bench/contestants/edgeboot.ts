import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { BuiltEdgeboot } from '../built-edgeboot.ts'
import { inputFilter } from '../messages.ts'
import type { RunningContestant } from './contestant.ts'

/** How edgeboot is configured. */
export interface EdgebootVariant {
  readonly qos: 0 | 1
  /** Runners: 1 is a thread beside the host's own, 0 runs the model in that. */
  readonly workers: 0 | 1
}

/**
 * Starts edgeboot as a user does, with one rule and one func, and waits until its pipeline is
 * READY. What counts is its host, with the model's thread in it.
 *
 * @throws Error with its last words when it does not get ready.
 */
export async function startEdgeboot(
  main: string,
  variant: EdgebootVariant,
  port: number,
  folder: string,
  signal: AbortSignal,
): Promise<RunningContestant> {
  const model = join(import.meta.dirname, '../models/verdict')
  await cp(model, join(folder, 'models/verdict'), { recursive: true })
  const edgeboot = await BuiltEdgeboot.start(main, folder, configuration(port, variant), signal)
  const [pipeline] = await edgeboot.pipelines()
  return {
    pid: pipeline?.pid ?? 0,
    mainPid: edgeboot.pid,
    [Symbol.asyncDispose]: () => edgeboot[Symbol.asyncDispose](),
  }
}

/** A queue that outlasts a pause of the machine: a message dropped there would spoil the run. */
function configuration(port: number, variant: EdgebootVariant): string {
  return `mqtts: [{ name: plant, broker: "tcp://127.0.0.1:${port}", qos: ${variant.qos} }]
rules:
  - name: bench
    sub: { name: plant, topic: ${inputFilter} }
    pub: { name: plant, topic: "bench/\${topic[1]}/result" }
    queue: { size: 10000 }
funcs: [{ modelName: verdict, workers: ${variant.workers} }]
`
}

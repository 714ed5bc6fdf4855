import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, globSync, statSync } from 'node:fs'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PipelineStatus } from '../../src/host/system-view.ts'
import { freePort } from '../../src/cli/chaos/local-broker.ts'
import { endProcess } from '../child.ts'
import { inputFilter } from '../messages.ts'
import type { RunningContestant } from './contestant.ts'

/** Of its stderr, for the error message. */
const lastWordsChars = 2_000

/**
 * The file that a user of a checkout runs: the built one, as it is published.
 *
 * @throws Error when there is none, or when it is older than a source.
 */
export function builtMain(checkout: string): string {
  const main = resolve(checkout, 'dist/main.js')
  const fix = `cd ${resolve(checkout)} && npm run build`
  if (!existsSync(main)) throw new Error(`${main} is not there. fix: ${fix}`)
  const builtAt = statSync(main).mtimeMs
  const newer = globSync(`${resolve(checkout)}/src/**/*.ts`).find(
    (file) => statSync(file).mtimeMs > builtAt,
  )
  if (newer !== undefined) throw new Error(`${main} is older than ${newer}. fix: ${fix}`)
  return main
}

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
  const webPort = await freePort()
  await writeFile(join(folder, 'config.yaml'), configuration(port, variant, webPort))
  await mkdir(join(folder, 'models'))
  const model = join(import.meta.dirname, '../models/verdict')
  await cp(model, join(folder, 'models/verdict'), { recursive: true })
  const args = [main, 'run', '--config', 'config.yaml', '--log-format', 'json']
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  try {
    const pid = await hostPid(child, `http://127.0.0.1:${webPort}/api/v1/pipelines`, signal)
    return { pid, mainPid: child.pid ?? 0, [Symbol.asyncDispose]: () => endProcess(child) }
  } catch (error) {
    await endProcess(child)
    throw error
  }
}

/** A queue that outlasts a pause of the machine: a message dropped there would spoil the run. */
function configuration(port: number, variant: EdgebootVariant, webPort: number): string {
  return `mqtts: [{ name: plant, broker: "tcp://127.0.0.1:${port}", qos: ${variant.qos} }]
rules:
  - name: bench
    sub: { name: plant, topic: ${inputFilter} }
    pub: { name: plant, topic: "bench/\${topic[1]}/result" }
    queue: { size: 10000 }
funcs: [{ modelName: verdict, workers: ${variant.workers} }]
models: { folder: models }
web: { port: ${webPort} }
`
}

async function hostPid(child: ChildProcess, address: string, signal: AbortSignal): Promise<number> {
  let words = ''
  const listen = (chunk: Buffer): void => {
    words = (words + chunk.toString()).slice(-lastWordsChars)
  }
  child.stdout?.on('data', listen)
  child.stderr?.on('data', listen)
  for (;;) {
    if (child.exitCode !== null) {
      throw new Error(`edgeboot exited with ${child.exitCode}: ${words}`)
    }
    const pipeline = await firstPipeline(address)
    if (pipeline?.state === 'READY' && pipeline.pid !== undefined) return pipeline.pid
    await sleep(50, undefined, { signal }).catch((error: unknown) => {
      throw new Error(`edgeboot is not READY: ${pipeline?.reason ?? words}`, { cause: error })
    })
  }
}

/** `undefined` while nobody listens there. */
async function firstPipeline(address: string): Promise<PipelineStatus | undefined> {
  try {
    const response = await fetch(address)
    const { pipelines } = (await response.json()) as { pipelines: PipelineStatus[] }
    return pipelines[0]
  } catch {
    return undefined
  }
}

import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, globSync, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PipelineStatus } from '../src/host/system-view.ts'
import type { PipelineStats } from '../src/pipeline/pipeline-stats.ts'
import { freePort } from '../src/cli/chaos/local-broker.ts'
import { endProcess } from './child.ts'

/** Of its output, for the error message. */
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

/** A pipeline and what it counted. */
export type CountedPipeline = PipelineStatus & { readonly stats: PipelineStats }

/** What a pipeline dropped, such as `deadline 12, crash 1`; empty for nothing. */
export function droppedText(pipeline: CountedPipeline | undefined): string {
  return Object.entries(pipeline?.stats.dropped ?? {})
    .filter(([reason, count]) => count > 0 && reason !== 'unacknowledged')
    .map(([reason, count]) => `${reason} ${count}`)
    .join(', ')
}

/** `edgeboot run` from `dist/`, with every pipeline READY. */
export class BuiltEdgeboot {
  readonly #child: ChildProcess
  readonly #address: string
  readonly #configFile: string
  /** Lines of the configuration that are none of its user's business. */
  readonly #ownLines: string
  #words = ''
  #runnerPid: number | undefined

  private constructor(
    child: ChildProcess,
    webPort: number,
    config: { readonly file: string; readonly ownLines: string },
  ) {
    this.#child = child
    this.#address = `http://127.0.0.1:${webPort}/api/v1`
    this.#configFile = config.file
    this.#ownLines = config.ownLines
    const lines = child.stdout && createInterface({ input: child.stdout })
    lines?.on('line', (line) => this.#heard(line))
    child.stderr?.on('data', (chunk: Buffer) => this.#heard(chunk.toString()))
  }

  /**
   * Starts it.
   *
   * @param folder - It runs there; its configuration is written there.
   * @param configuration - YAML, without `web` and `models`: those are in `models/`.
   * @throws Error with its last words when it ends; with the reason when it does not get ready.
   */
  static async start(
    main: string,
    folder: string,
    configuration: string,
    signal: AbortSignal,
  ): Promise<BuiltEdgeboot> {
    const webPort = await freePort()
    const file = join(folder, 'config.yaml')
    const ownLines = `models: { folder: models }\nweb: { port: ${webPort} }\n`
    await writeFile(file, configuration + ownLines)
    const args = [main, 'run', '--config', 'config.yaml', '--log-format', 'json']
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    const edgeboot = new BuiltEdgeboot(child, webPort, { file, ownLines })
    try {
      await edgeboot.#ready(signal)
      return edgeboot
    } catch (error) {
      await endProcess(child)
      throw error
    }
  }

  /** The main process. */
  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Of the Python model that was loaded last. */
  get runnerPid(): number | undefined {
    return this.#runnerPid
  }

  /** Empty while nobody listens there. */
  async pipelines(): Promise<readonly CountedPipeline[]> {
    try {
      const response = await fetch(`${this.#address}/pipelines`)
      const { pipelines } = (await response.json()) as { pipelines: CountedPipeline[] }
      return pipelines
    } catch {
      return []
    }
  }

  /**
   * Writes another configuration, and asks for a reload; does not wait for what comes of it.
   *
   * @throws Error with its answer when it refuses the file.
   */
  async reconfigure(configuration: string): Promise<void> {
    await writeFile(this.#configFile, configuration + this.#ownLines)
    const response = await fetch(`${this.#address}/reload`, { method: 'POST' })
    if (!response.ok) throw new Error(`no reload: ${response.status} ${await response.text()}`)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return endProcess(this.#child)
  }

  async #ready(signal: AbortSignal): Promise<void> {
    for (;;) {
      if (this.#child.exitCode !== null) {
        throw new Error(`edgeboot exited with ${this.#child.exitCode}: ${this.#words}`)
      }
      const pipelines = await this.pipelines()
      const waiting = pipelines.find(({ state }) => state !== 'READY')
      if (pipelines.length > 0 && waiting === undefined) return
      await sleep(50, undefined, { signal }).catch((error: unknown) => {
        throw new Error(`edgeboot is not READY: ${waiting?.reason ?? this.#words}`, {
          cause: error,
        })
      })
    }
  }

  #heard(text: string): void {
    this.#words = `${this.#words}${text}\n`.slice(-lastWordsChars)
    const pid = /"event":"runner\.ready".*"runnerPid":(\d+)/.exec(text)?.[1]
    if (pid !== undefined) this.#runnerPid = Number(pid)
  }
}

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createInterface } from 'node:readline'
import type { PipelineStatus } from '../../src/host/system-view.ts'
import type { PipelineStats } from '../../src/pipeline/pipeline-stats.ts'
import { until } from './wait.ts'

const mainFile = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** A log line of a running instance. */
export type LogLine = { readonly event: string; readonly level: string } & Readonly<
  Record<string, unknown>
>

/** `edgeboot …` as a user starts it, in a process of its own. */
export class EdgebootProcess {
  readonly lines: LogLine[] = []
  stdout = ''
  stderr = ''
  readonly #child: ChildProcess
  readonly #exited: Promise<number | null>

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#exited = once(child, 'close').then(([code]) => code as number | null)
    if (child.stdout === null || child.stderr === null) throw new Error('no pipes')
    child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()))
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.stdout += `${line}\n`
      if (line.startsWith('{"')) this.lines.push(JSON.parse(line) as LogLine)
    })
  }

  /** Starts any command. */
  static command(
    args: readonly string[],
    options: { cwd?: string; env?: Readonly<Record<string, string>> } = {},
  ): EdgebootProcess {
    const child = spawn(process.execPath, [mainFile, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
    })
    return new EdgebootProcess(child)
  }

  /** Starts `edgeboot run` on a configuration whose web port is `0`. */
  static run(
    config: string,
    options: {
      cwd?: string
      env?: Readonly<Record<string, string>>
      args?: readonly string[]
    } = {},
  ): EdgebootProcess {
    const args = ['run', '--config', config, '--log-format', 'json', ...(options.args ?? [])]
    return EdgebootProcess.command(args, options)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Ends by itself, with this exit status. */
  get exited(): Promise<number | null> {
    return this.#exited
  }

  /** The first line of this event that the check accepts. */
  async line(event: string, accept: (line: LogLine) => boolean = () => true): Promise<LogLine> {
    return until(`the log line ${event}`, () => {
      const found = this.lines.find((line) => line.event === event && accept(line))
      if (found === undefined && this.#child.exitCode !== null) {
        throw new Error(`edgeboot exited with ${this.#child.exitCode}: ${this.stderr}`)
      }
      return found
    })
  }

  /** Address of its HTTP server. */
  async address(): Promise<string> {
    const line = await this.line('web.listening')
    return String(line['address'])
  }

  /** Status and body of a GET. */
  async get(path: string): Promise<{ status: number; body: string }> {
    const response = await fetch(`${await this.address()}${path}`)
    return { status: response.status, body: await response.text() }
  }

  /** State and counts of all pipelines. */
  async pipelines(): Promise<readonly (PipelineStatus & { stats: PipelineStats })[]> {
    const { body } = await this.get('/api/v1/pipelines')
    const { pipelines } = JSON.parse(body) as {
      pipelines: (PipelineStatus & { stats: PipelineStats })[]
    }
    return pipelines
  }

  /** Waits until every pipeline is READY: a busy machine takes its time over models that import much. */
  async ready(limitMs = 60_000): Promise<void> {
    const isReady = async (): Promise<boolean> => {
      if (this.#child.exitCode !== null) {
        throw new Error(`edgeboot exited with ${this.#child.exitCode}: ${this.stderr}`)
      }
      return (await this.get('/readyz')).status === 200
    }
    await until('every pipeline to be READY', isReady, limitMs).catch(async (error: unknown) => {
      const states = (await this.pipelines()).map(({ name, state, reason }) =>
        [name, state, reason].join(' '),
      )
      throw new Error(`not READY: ${states.join('; ')}`, { cause: error })
    })
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Asks for an orderly stop and gives the exit status; kills it after 30 s. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode === null) this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 30_000)
    const code = await this.#exited
    clearTimeout(timer)
    return code
  }
}

import assert from 'node:assert/strict'
import { EdgebootError } from '../../src/core/errors.ts'
import { silentLogger } from '../../src/core/log.ts'
import type { FromHost, ToHost } from '../../src/host/host-messages.ts'
import type { HostProcessListener } from '../../src/host/host-process.ts'
import type { ModelStanding } from '../../src/host/model-updates.ts'
import type { HostRecord } from '../../src/host/recorder/host-record.ts'
import { PipelineSupervisor } from '../../src/host/pipeline-supervisor.ts'
import type { PipelineSettings } from '../../src/config/settings.ts'
import type { ModelPackage } from '../../src/models/model-package.ts'
import { FakeClock } from './fake-clock.ts'
import { pipelineSettings } from './pipeline-settings.ts'

/** A model that nobody loads. */
export const model: ModelPackage = {
  name: 'echo',
  version: 'folder',
  runtime: 'python',
  format: 'module',
  folder: '/models/echo',
  entryFile: '/models/echo/index.py',
  modelsFolder: '/models',
}

/** A host that does nothing by itself. */
export class FakeHost {
  readonly sent: ToHost[] = []
  readonly signals: string[] = []
  survives = false
  readonly lastLines = ['Error: last words']
  readonly #listener: HostProcessListener
  readonly pid: number

  constructor(pid: number, listener: HostProcessListener) {
    this.pid = pid
    this.#listener = listener
  }
  send(message: ToHost): void {
    this.sent.push(message)
  }
  /** Dies of any signal, unless it is told to live on. */
  kill(signal: string): void {
    this.signals.push(signal)
    if (this.survives) return
    this.#listener.exited(null, signal as NodeJS.Signals)
  }
  say(message: FromHost): void {
    this.#listener.message(message)
  }
  ready(): void {
    this.say({ type: 'state', state: 'READY', reason: '', engine: 'Python 3.11.2' })
  }
  disconnect(): void {
    this.#listener.disconnected()
  }
  /** As a process is that broke the protocol. */
  break(): void {
    this.#listener.broke(new EdgebootError('HOST_PROTOCOL', 'the host broke the protocol: so'))
    this.kill('SIGKILL')
  }
  exit(code: number): void {
    this.#listener.exited(code, null)
  }
}

/** A supervisor over fake hosts, on a clock that the test moves. */
export class SupervisorBench {
  readonly clock = new FakeClock()
  readonly hosts: FakeHost[] = []
  /** Versions, in the order in which they took over. */
  readonly tookOver: string[] = []
  /** What is known of versions. */
  readonly standings = new Map<string, ModelStanding>()
  /** Version, by whom and why. */
  readonly held: (readonly string[])[] = []
  predecessor: ModelPackage | undefined
  resolve: () => Promise<ModelPackage> = () => Promise.resolve(model)
  /** What hosts leave on record, by process id. */
  readonly records = new Map<number, HostRecord>()
  readonly supervisor: PipelineSupervisor

  constructor(pipeline: PipelineSettings = pipelineSettings()) {
    this.supervisor = new PipelineSupervisor({
      pipeline,
      resolveModel: (_model, onState) => {
        onState('FETCHING', 'fetching echo.zip')
        return this.resolve()
      },
      verdicts: {
        tookOver: (taken) => void this.tookOver.push(taken.version),
        standingOf: ({ version }) => Promise.resolve(this.standings.get(version) ?? 'new'),
        proved: ({ version }) => void this.standings.set(version, 'proven'),
        held: ({ version }, reason, by) => void this.held.push([version, by, reason]),
        predecessor: () => Promise.resolve(this.predecessor),
      },
      startHost: (_name, _environment, listener) => {
        const host = new FakeHost(1000 + this.hosts.length, listener)
        this.hosts.push(host)
        return host
      },
      readHostRecord: (_file, pid) => this.records.get(pid ?? 0),
      hostEnvironment: {},
      runnerEnvironment: { PATH: '/bin' },
      logLevel: 'info',
      clock: this.clock,
      random: () => 0,
      log: silentLogger,
    })
  }

  get host(): FakeHost {
    const host = this.hosts.at(-1)
    assert.ok(host, 'no host was started')
    return host
  }
  async start(): Promise<void> {
    await this.supervisor.start()
    await settle()
  }
}

/** Lets promises that are due run. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

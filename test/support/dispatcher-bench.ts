import { Dispatcher } from '../../src/pipeline/dispatcher.ts'
import { Lanes } from '../../src/pipeline/lanes.ts'
import { Suspects } from '../../src/pipeline/suspects.ts'
import type { Task } from '../../src/pipeline/task.ts'
import { FakeClock } from './fake-clock.ts'
import { fakePool, type FakeRunner } from './fake-runner.ts'
import { RecordedLog } from './recorded-log.ts'

/** What a test may say of its bench. */
export interface DispatcherBenchOptions {
  readonly workers?: number
  readonly batchSize?: number
  readonly batchDelayMs?: number
  readonly attempts?: number
  readonly sharesHost?: boolean
}

/** A dispatcher over fake runners, whose deferred work runs when the test says so. */
export class DispatcherBench {
  readonly clock = new FakeClock()
  readonly runners: FakeRunner[] = []
  readonly lanes = new Lanes<Task>()
  readonly answered: string[] = []
  readonly givenUp: string[] = []
  mayRun = true
  readonly #log = new RecordedLog()
  readonly #deferred: (() => void)[] = []
  readonly dispatcher: Dispatcher

  constructor(options: DispatcherBenchOptions = {}) {
    const pool = fakePool(this.runners, {
      size: options.workers ?? 1,
      clock: this.clock,
      room: () => this.dispatcher.poke(),
      log: this.#log.logger,
    })
    this.dispatcher = new Dispatcher({
      lanes: this.lanes,
      pool,
      clock: this.clock,
      batchSize: options.batchSize ?? 64,
      batchDelayMs: options.batchDelayMs ?? 0,
      timeoutMs: 1000,
      attempts: options.attempts ?? 3,
      sharesHost: options.sharesHost ?? false,
      suspects: new Suspects({ recorder: undefined, idOf: nameOf, changed: () => {} }),
      flights: undefined,
      defer: (run) => this.#deferred.push(run),
      mayRun: () => this.mayRun,
      outcome: (task) => this.answered.push(nameOf(task)),
      givenUp: (task) => this.givenUp.push(nameOf(task)),
      retried: () => {},
      taken: () => {},
    })
    pool.start()
  }

  push(name: string, key?: string): void {
    this.lanes.push(taskOf(name, key))
    this.dispatcher.poke()
  }

  /** Ends the turn of the event loop. */
  turn(): void {
    for (const run of this.#deferred.splice(0)) run()
  }

  async load(): Promise<void> {
    for (const runner of this.runners) if (!runner.gone) await runner.load()
    this.turn()
  }

  /** How long each runner that was lost had to wait for the next, in order. */
  get delaysMs(): number[] {
    const lost = this.#log.lines.filter(({ event }) => event === 'runner.lost')
    return lost.map(({ fields }) => Number(fields?.['delayMs']))
  }

  get alive(): FakeRunner[] {
    return this.runners.filter((runner) => !runner.gone)
  }
}

const nameOf = (task: Task): string => new TextDecoder().decode(task.origin.message.payload)

function taskOf(name: string, key: string | undefined): Task {
  const payload = new TextEncoder().encode(name)
  const message = { topic: 't', payload, qos: 0, retain: false, duplicate: false, receivedAt: 0 }
  return {
    origin: {
      message: message as Task['origin']['message'],
      receivedAtMs: 0,
      entry: undefined,
      sessionsLost: 0,
      replay: undefined,
      eventsLeft: 1,
    },
    device: undefined,
    key,
    bytes: payload.byteLength,
    release: undefined,
    attempts: 0,
    company: undefined,
    id: undefined,
  }
}

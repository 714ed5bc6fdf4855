import type {
  OpenSession,
  OutgoingPublish,
  Session,
  SessionEnd,
  SessionFacts,
  SessionListener,
  SessionOptions,
} from '../../src/transport/mqtt/mqtt-session.ts'

/** A session that a test plays the broker of. */
export class FakeSession implements Session {
  readonly options: SessionOptions
  readonly listener: SessionListener
  readonly published: OutgoingPublish[] = []
  readonly subscriptions: { readonly filter: string; answered(code: number): void }[] = []
  hasRoom = true
  isPaused = false
  isOver = false
  readonly #written: (() => void)[] = []

  constructor(options: SessionOptions, listener: SessionListener) {
    this.options = options
    this.listener = listener
  }

  opened(facts: SessionFacts = {}): void {
    this.listener.opened(facts)
  }

  ended(end: SessionEnd = { kind: 'socket' }): void {
    if (this.isOver) return
    this.isOver = true
    this.listener.ended(end)
  }

  /** The operating system takes the oldest publish. */
  takeOne(): void {
    if (!this.isOver) this.#written.shift()?.()
  }

  room(): void {
    this.hasRoom = true
    this.listener.room()
  }

  subscribe(filter: string, _options: object, answered: (code: number) => void): void {
    this.subscriptions.push({ filter, answered })
  }

  publish(message: OutgoingPublish, written: () => void): void {
    this.published.push(message)
    this.#written.push(written)
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  disconnect(): Promise<void> {
    this.isOver = true
    return Promise.resolve()
  }

  destroy(): void {
    this.isOver = true
  }
}

/** Opens fake sessions and keeps them. */
export class FakeSessions {
  readonly all: FakeSession[] = []

  readonly open: OpenSession = (options, listener) => {
    const session = new FakeSession(options, listener)
    this.all.push(session)
    return session
  }

  get last(): FakeSession {
    const last = this.all.at(-1)
    if (last === undefined) throw new Error('no session was opened')
    return last
  }
}

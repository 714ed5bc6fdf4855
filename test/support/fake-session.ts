import type {
  OpenSession,
  OutgoingPublish,
  Session,
  SessionEnd,
  SessionFacts,
  SessionListener,
  SessionOptions,
} from '../../src/transport/mqtt/mqtt-session.ts'

/** What a broker says that has nothing special to say. */
const plainFacts: Omit<SessionFacts, 'keptForSeconds'> = {
  sessionPresent: false,
  packetBytesMax: Number.POSITIVE_INFINITY,
  qosMax: 2,
  retainAvailable: true,
}

/** A publish that a session was given, and the call that answers it. */
interface FakePublish {
  readonly message: OutgoingPublish
  /** As the broker's PUBACK, or the operating system taking the bytes. Only the first call counts. */
  done(code?: number): void
}

/** A session that a test plays the broker of. */
export class FakeSession implements Session {
  readonly options: SessionOptions
  readonly listener: SessionListener
  /** Every message published, answered or not. */
  readonly published: OutgoingPublish[] = []
  /** The publishes without an answer, oldest first; a test may answer them in any order. */
  readonly waiting: FakePublish[] = []
  readonly subscriptions: {
    readonly filter: string
    readonly options: { readonly qos: 0 | 1; readonly retained: 'all' | 'new' | 'none' }
    answered(code: number): void
  }[] = []
  readonly unsubscriptions: { readonly filter: string; answered(code: number): void }[] = []
  /** Ids of messages in the order of their acknowledgement. */
  readonly acknowledged: number[] = []
  hasRoom = true
  isPaused = false
  isOver = false

  constructor(options: SessionOptions, listener: SessionListener) {
    this.options = options
    this.listener = listener
  }

  opened(facts: Partial<SessionFacts> = {}): void {
    const { keptForSeconds } = this.options
    this.listener.opened({ ...plainFacts, keptForSeconds, ...facts })
  }

  ended(end: SessionEnd = { kind: 'socket' }): void {
    if (this.isOver) return
    this.isOver = true
    this.listener.ended(end)
  }

  /** Answers the oldest publish that waits: with QoS 0 the operating system took it. */
  takeOne(code = 0): void {
    this.waiting[0]?.done(code)
  }

  room(): void {
    this.hasRoom = true
    this.listener.room()
  }

  subscribe(
    filter: string,
    options: { readonly qos: 0 | 1; readonly retained: 'all' | 'new' | 'none' },
    answered: (code: number) => void,
  ): void {
    this.subscriptions.push({ filter, options, answered: this.#unlessOver(answered) })
  }

  unsubscribe(filter: string, answered: (code: number) => void): void {
    this.unsubscriptions.push({ filter, answered: this.#unlessOver(answered) })
  }

  publish(message: OutgoingPublish, done: (code: number) => void): void {
    this.published.push(message)
    const publish: FakePublish = {
      message,
      done: (code = 0) => {
        const index = this.waiting.indexOf(publish)
        if (this.isOver || index === -1) return
        this.waiting.splice(index, 1)
        done(code)
      },
    }
    this.waiting.push(publish)
  }

  acknowledge(id: number): void {
    this.acknowledged.push(id)
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

  #unlessOver(answered: (code: number) => void): (code: number) => void {
    return (code) => {
      if (!this.isOver) answered(code)
    }
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

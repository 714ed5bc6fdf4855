import { generate, type Packet, parser } from 'mqtt-packet'
import { SessionMachine } from '../../src/transport/mqtt/session-machine.ts'
import type {
  MqttProtocol,
  OutgoingPublish,
  SessionEnd,
  SessionFacts,
  SessionOptions,
} from '../../src/transport/mqtt/mqtt-session.ts'
import type { SessionOutput } from '../../src/transport/mqtt/session-output.ts'
import type { SourceMessage } from '../../src/transport/transport.ts'
import { brokerSettings } from './broker-settings.ts'
import { FakeClock } from './fake-clock.ts'

/** A transport that a test plays the operating system and the event loop of. */
export class FakeOutput implements SessionOutput {
  readonly writes: (readonly Uint8Array[])[] = []
  /** Writes that the operating system has not taken, oldest first. */
  readonly untaken: (() => void)[] = []
  #deferred: (() => void)[] = []
  isReading = true
  isDestroyed = false
  /** Deadline of `end`, once it was called. */
  endedWithin: number | undefined

  write(pieces: readonly Uint8Array[], taken: () => void): void {
    // What is written later must not change what was written before.
    this.writes.push(pieces.map((piece) => Uint8Array.from(piece)))
    this.untaken.push(taken)
  }

  defer(task: () => void): void {
    this.#deferred.push(task)
  }

  stopReading(): void {
    this.isReading = false
  }

  startReading(): void {
    this.isReading = true
  }

  end(deadlineMs: number): Promise<void> {
    this.endedWithin = deadlineMs
    return Promise.resolve()
  }

  destroy(): void {
    this.isDestroyed = true
  }

  get deferred(): number {
    return this.#deferred.length
  }

  /** The end of a turn of the event loop: what was put off runs, what that puts off waits. */
  turn(): void {
    const tasks = this.#deferred
    this.#deferred = []
    for (const task of tasks) task()
  }

  /** Turns until nothing is put off any more, without taking what was written. */
  settle(): void {
    while (this.#deferred.length > 0) this.turn()
  }

  /** The operating system takes everything, in order. */
  take(): void {
    for (const taken of this.untaken.splice(0)) taken()
  }

  get bytes(): Buffer {
    return Buffer.concat(this.writes.flat())
  }
}

/** What `mqtt-packet` reads in these bytes, payloads as text. */
export function packetsIn(bytes: Uint8Array, protocol: MqttProtocol): Packet[] {
  const packets: Packet[] = []
  const parsing = parser({ protocolVersion: protocol === '5' ? 5 : 4 })
  parsing.on('packet', (packet) => packets.push(packet))
  parsing.on('error', (error: Error) => {
    throw error
  })
  const rest = parsing.parse(Buffer.from(bytes))
  if (rest > 0) throw new Error(`${rest} bytes are not a whole packet`)
  return packets
}

/** A session machine with everything around it faked, and a record of what it did. */
export class SessionBench {
  readonly clock = new FakeClock()
  readonly output = new FakeOutput()
  readonly protocol: MqttProtocol
  readonly machine: SessionMachine
  readonly opened: SessionFacts[] = []
  readonly messages: SourceMessage[] = []
  readonly ends: SessionEnd[] = []
  /** Every call of the listener, by name. */
  readonly calls: string[] = []
  /** Called for every message, after it was recorded. */
  onMessage: (message: SourceMessage) => void = () => {}

  constructor(
    protocol: MqttProtocol,
    options: Partial<SessionOptions> & { readonly keepAliveSeconds?: number } = {},
  ) {
    this.protocol = protocol
    const { keepAliveSeconds = 0, ...rest } = options
    this.machine = new SessionMachine(
      {
        broker: brokerSettings('mqtt://127.0.0.1:1', { protocol, keepAliveSeconds }),
        address: {
          transport: 'tcp',
          secure: false,
          host: '127.0.0.1',
          port: 1,
          path: '',
          text: 'mqtt://127.0.0.1:1',
        },
        tls: { rejectUnauthorized: true },
        clientId: 'bench',
        protocol,
        clock: this.clock,
        epoch: 7,
        keptForSeconds: 3600,
        receiveMaximum: 100,
        ...rest,
      },
      {
        opened: (facts) => {
          this.calls.push('opened')
          this.opened.push(facts)
        },
        message: (message) => {
          this.calls.push('message')
          this.messages.push(message)
          this.onMessage(message)
        },
        room: () => void this.calls.push('room'),
        ended: (end) => {
          this.calls.push('ended')
          this.ends.push(end)
        },
      },
      this.output,
    )
    this.machine.open()
  }

  /** A bench whose CONNACK is there, and whose CONNECT is off the record. */
  static open(...args: ConstructorParameters<typeof SessionBench>): SessionBench {
    const bench = new SessionBench(...args)
    bench.connack()
    bench.output.take()
    bench.output.writes.length = 0
    bench.calls.length = 0
    return bench
  }

  /** The broker sends packets in one piece. */
  broker(...packets: readonly Packet[]): void {
    this.machine.receive(this.encode(...packets))
  }

  encode(...packets: readonly Packet[]): Buffer {
    const protocolVersion = this.protocol === '5' ? 5 : 4
    return Buffer.concat(packets.map((packet) => generate(packet, { protocolVersion })))
  }

  connack(code = 0, properties: object = {}, sessionPresent = false): void {
    this.broker(
      this.protocol === '5'
        ? { cmd: 'connack', sessionPresent, reasonCode: code, properties }
        : { cmd: 'connack', sessionPresent, returnCode: code },
    )
  }

  /** What the machine has written since it was asked last. */
  written(): Packet[] {
    const packets = packetsIn(this.output.bytes, this.protocol)
    this.output.writes.length = 0
    return packets
  }

  /** Ends the turn, takes what the machine wrote, and gives it. */
  sent(): Packet[] {
    this.output.settle()
    const packets = this.written()
    this.output.take()
    return packets
  }

  /** The same as names, with packet identifiers. */
  sentNames(): string[] {
    return this.sent().map(({ cmd, messageId }) => (messageId ? `${cmd} ${messageId}` : cmd))
  }

  get texts(): string[] {
    return this.messages.map(({ payload }) => Buffer.from(payload).toString())
  }

  /** What was wrong, when the machine found that the broker broke the rules. */
  get fault(): string {
    const end = this.ends[0]
    return end?.kind === 'protocol' ? end.error.message : `ended otherwise: ${end?.kind}`
  }
}

/** A PUBLISH from the broker. */
export function incoming(
  text: string,
  more: { readonly id?: number; readonly qos?: 0 | 1 | 2; readonly dup?: boolean } = {},
): Packet & { readonly cmd: 'publish' } {
  const { id, qos = id === undefined ? 0 : 1, dup = false } = more
  return {
    cmd: 'publish',
    topic: 'in',
    payload: text,
    qos,
    dup,
    retain: false,
    ...(id !== undefined && { messageId: id }),
  }
}

/** A message of ours. */
export function outgoing(text: string, more: Partial<OutgoingPublish> = {}): OutgoingPublish {
  return {
    topic: 'out',
    payload: Buffer.from(text),
    qos: 1,
    retain: false,
    duplicate: false,
    ...more,
  }
}

import type { ISubackPacket, IUnsubackPacket, Packet } from 'mqtt-packet'
import { limits } from '../../core/limits.ts'
import { readConnack } from './connack-facts.ts'
import {
  encodeConnect,
  encodeDisconnect,
  encodeSubscribe,
  encodeUnsubscribe,
  pingreqPacket,
} from './control-packets.ts'
import { KeepAlive } from './keep-alive.ts'
import type {
  OutgoingPublish,
  Session,
  SessionEnd,
  SessionListener,
  SessionOptions,
} from './mqtt-session.ts'
import { MqttPacketError, packetFault } from './packet-error.ts'
import { PacketIntake } from './packet-intake.ts'
import { type IncomingPacket, PacketReader } from './packet-reader.ts'
import { PacketWriter } from './packet-writer.ts'
import type { IncomingPublish } from './publish-decoder.ts'
import { measurePublish } from './publish-packet.ts'
import { ReceivedMessages } from './received-messages.ts'
import type { SessionOutput } from './session-output.ts'
import { UnansweredPackets } from './unanswered-packets.ts'

/** QoS 1 publishes of ours without a PUBACK, however many more the broker would take. */
const inFlightMax = 1_000

/** Bytes of publishes that may wait for the socket; the rest stays in the owner's bounded queue. */
const waitingBytesMax = 256 * 1024

/**
 * Bytes of answers that may wait for the socket. No broker that keeps to the standard gets there: a
 * PUBACK has four bytes, and at most 65,535 messages may be without one.
 */
const answerBytesMax = 256 * 1024

/** The largest packet that is not a PUBLISH, and the largest head of one. */
const controlBytesMax = 1024 * 1024

/** Patience with a broker that does not take our goodbye after it broke the rules. */
const farewellMs = 1_000

/**
 * The state machine of one MQTT session (MQTT 5.0 and 3.1.1, the client's side): bytes and time
 * come in, bytes and events go out. It has no socket; whoever has calls {@link open} once, then
 * {@link receive} and {@link transportEnded}. See {@link Session} for what is promised.
 *
 * Every message is handed on as it was read and acknowledged when the owner says so. QoS 1 is at
 * least once: nothing is stored here, what is unanswered when the connection ends is the owner's
 * to send again, and the broker's.
 */
export class SessionMachine implements Session {
  readonly #options: SessionOptions
  readonly #listener: SessionListener
  readonly #output: SessionOutput
  readonly #intake: PacketIntake
  readonly #writer: PacketWriter
  readonly #keepAlive: KeepAlive
  readonly #unanswered = new UnansweredPackets()
  readonly #received: ReceivedMessages
  #state: 'connecting' | 'open' | 'over' = 'connecting'
  #inFlightMax = inFlightMax
  /** There was no room; the owner waits to be told. */
  #isFull = false
  #farewell: Promise<void> | undefined

  constructor(options: SessionOptions, listener: SessionListener, output: SessionOutput) {
    this.#options = options
    this.#listener = listener
    this.#output = output
    const { payloadBytesMax } = limits
    const reader = new PacketReader(options.protocol, { payloadBytesMax, controlBytesMax })
    this.#intake = new PacketIntake(reader, output, options.clock, {
      packet: (packet, now) => this.#packet(packet, now),
      unreadable: (thrown) => this.#reject(thrown),
      mustWait: () => this.#writer.answerBytes >= answerBytesMax,
      // Once for all the PUBACKs among the packets.
      rest: () => this.#tellRoom(),
      readingStarted: () => this.#keepAlive.heard(),
    })
    this.#received = new ReceivedMessages(options.epoch)
    this.#keepAlive = new KeepAlive({
      clock: options.clock,
      defer: (task) => output.defer(task),
      // Not also while our own answers wait for the socket: that silence is the broker's fault.
      isDeaf: () => this.#intake.isDeaf,
      ping: () => this.#writer.packet(pingreqPacket),
      silent: () => this.#end({ kind: 'silent' }),
    })
    this.#writer = new PacketWriter(output, {
      sent: () => this.#keepAlive.sent(),
      taken: () => {
        this.#tellRoom()
        this.#intake.goOn()
      },
    })
  }

  /** Begins with CONNECT. */
  open(): void {
    const { broker, protocol, clientId, keptForSeconds, receiveMaximum } = this.#options
    const { username, password, will } = broker
    this.#writer.packet(
      encodeConnect({
        protocol,
        clientId,
        clean: keptForSeconds === 0,
        keepAliveSeconds: broker.keepAliveSeconds,
        ...(username !== undefined && { username }),
        ...(password !== undefined && { password }),
        ...(will && { will }),
        sessionExpirySeconds: keptForSeconds,
        receiveMaximum,
        topicAliasMaximum: this.#received.topicAliasMaximum,
      }),
    )
    this.#writer.flush()
  }

  /** Bytes came. They must not be written to any more. */
  receive(chunk: Buffer): void {
    if (this.#isOver) return
    this.#keepAlive.heard()
    this.#intake.push(chunk)
  }

  /** The transport closed, or broke. */
  transportEnded(error?: Error): void {
    if (this.#isOver) return
    // A DISCONNECT in there says why.
    this.#intake.takeRest()
    if (!this.#isOver) this.#end({ kind: 'socket', ...(error && { error }) })
  }

  subscribe(
    filter: string,
    options: { readonly qos: 0 | 1; readonly retained: 'all' | 'new' | 'none' },
    answered: (code: number) => void,
  ): void {
    if (this.#state !== 'open') return
    const id = this.#unanswered.addRequest('subscribe', answered)
    this.#writer.packet(encodeSubscribe(this.#options.protocol, id, filter, options))
    this.#noteRoom()
  }

  unsubscribe(filter: string, answered: (code: number) => void): void {
    if (this.#state !== 'open') return
    const id = this.#unanswered.addRequest('unsubscribe', answered)
    this.#writer.packet(encodeUnsubscribe(this.#options.protocol, id, filter))
    this.#noteRoom()
  }

  publish(message: OutgoingPublish, done: (code: number) => void): void {
    if (this.#state !== 'open') return
    const measured = measurePublish(message, this.#options.protocol)
    if (message.qos === 0) this.#writer.publish(measured, 0, done)
    else this.#writer.publish(measured, this.#unanswered.addPublish(done))
    this.#noteRoom()
  }

  get hasRoom(): boolean {
    const { waitingBytes, answerBytes } = this.#writer
    return (
      this.#unanswered.publishes < this.#inFlightMax && waitingBytes - answerBytes < waitingBytesMax
    )
  }

  acknowledge(id: number): void {
    if (this.#state !== 'open') return
    const answer = this.#received.acknowledge(id)
    if (answer === 'puback') this.#writer.puback(id)
    // A session kept from before may hold QoS 2, for a subscription that we did not make. Refused,
    // it would come again with every connection. It is settled before PUBREC, so nothing is lost.
    else if (answer === 'pubrec') this.#answer(pubrec, id)
  }

  pause(): void {
    this.#intake.pause()
  }

  /** Messages come again once it has returned. */
  resume(): void {
    this.#intake.resume()
  }

  disconnect(deadlineMs: number): Promise<void> {
    if (this.#state === 'connecting') this.destroy()
    if (this.#state === 'open') this.#sayFarewell(0, deadlineMs)
    return this.#farewell ?? Promise.resolve()
  }

  destroy(): void {
    this.#close()
    this.#output.destroy()
  }

  get #isOver(): boolean {
    return this.#state === 'over'
  }

  #packet(packet: IncomingPacket, now: number): void {
    try {
      if (this.#state === 'connecting') this.#connected(packet)
      else if (packet.kind === 'publish') this.#message(packet, now)
      // Of one that was never sent, or answered before, nothing depends: the standard calls it no
      // error (MQTT 5.0, 3.4), and the counts go by identifier.
      else if (packet.kind === 'puback') this.#unanswered.takePublish(packet.id)?.(packet.code)
      else this.#control(packet.packet)
    } catch (thrown) {
      if (!(thrown instanceof MqttPacketError)) throw thrown
      this.#reject(thrown)
    }
  }

  /** The first packet must be CONNACK (MQTT 5.0, 3.2). */
  #connected(first: IncomingPacket): void {
    if (first.kind !== 'control' || first.packet.cmd !== 'connack') {
      throw unexpected(first.kind === 'control' ? first.packet.cmd : first.kind, 'before CONNACK')
    }
    const connack = readConnack(first.packet, this.#options)
    if (connack.code !== 0) {
      this.#end({ kind: 'refused', code: connack.code })
      return
    }
    this.#state = 'open'
    this.#inFlightMax = Math.min(inFlightMax, connack.receiveMaximum)
    this.#keepAlive.start(connack.keepAliveSeconds)
    this.#listener.opened(connack.facts)
  }

  #message(packet: IncomingPublish, now: number): void {
    const message = this.#received.message(packet, now)
    if (message !== undefined) this.#listener.message(message)
  }

  #control(packet: Packet): void {
    switch (packet.cmd) {
      case 'pingresp':
        return
      case 'suback':
      case 'unsuback':
        this.#answered(packet)
        return
      case 'pubrel':
        this.#answer(pubcomp, packet.messageId ?? 0)
        return
      case 'pubrec':
      case 'pubcomp':
        // We never publish with QoS 2, but a broker that kept a session of another client may
        // remember that one's; for these MQTT 5.0 has the reason 0x92, not an error (3.5.2.1).
        return
      case 'disconnect':
        if (this.#options.protocol === '3.1.1') throw unexpected(packet.cmd, 'from a broker')
        this.#end({ kind: 'disconnected', code: packet.reasonCode ?? 0 })
        return
      default:
        throw unexpected(packet.cmd, 'after CONNACK')
    }
  }

  /** SUBACK and UNSUBACK (MQTT 5.0, 3.9 and 3.11). An identifier that nobody waits for is ignored. */
  #answered(packet: ISubackPacket | IUnsubackPacket): void {
    const kind = packet.cmd === 'suback' ? 'subscribe' : 'unsubscribe'
    const answered = this.#unanswered.takeRequest(kind, packet.messageId ?? 0)
    if (answered === undefined) return
    // On 3.1.1 UNSUBACK has none.
    const codes = packet.granted ?? []
    if (codes.length > 1) {
      const what = `it has ${codes.length} reason codes for one topic filter`
      throw new MqttPacketError(packetFault.protocol, `${packet.cmd.toUpperCase()}: ${what}`)
    }
    answered(Number(codes[0] ?? 0))
  }

  /** Answers a packet of QoS 2 in its four bytes. */
  #answer(type: number, id: number): void {
    this.#writer.packet(Uint8Array.of(type, 2, id >> 8, id & 255), true)
  }

  #noteRoom(): void {
    if (!this.hasRoom) this.#isFull = true
  }

  #tellRoom(): void {
    if (!this.#isFull || this.#isOver || !this.hasRoom) return
    this.#isFull = false
    this.#listener.room()
  }

  /** The broker broke the rules: it is told so where it can be (MQTT 5.0, 4.13). */
  #reject(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    const code = thrown instanceof MqttPacketError ? thrown.reasonCode : packetFault.malformed
    if (this.#state === 'open') this.#sayFarewell(code, farewellMs)
    this.#end({ kind: 'protocol', error })
  }

  /** Sends what was asked for, and DISCONNECT; on 3.1.1 only for a normal end, which has no code. */
  #sayFarewell(code: number, deadlineMs: number): void {
    const { protocol } = this.#options
    if (code === 0 || protocol === '5') this.#writer.packet(encodeDisconnect(protocol, code))
    this.#writer.flush()
    this.#close()
    this.#farewell = this.#output.end(deadlineMs)
  }

  #end(end: SessionEnd): void {
    this.#close()
    if (this.#farewell === undefined) this.#output.destroy()
    this.#listener.ended(end)
  }

  #close(): void {
    this.#state = 'over'
    this.#intake.stop()
    this.#keepAlive.stop()
    this.#writer.stop()
    this.#unanswered.clear()
  }
}

/** First bytes of the answers of QoS 2 (MQTT 5.0, 3.5 and 3.7). */
const pubrec = 0x50
const pubcomp = 0x70

function unexpected(packet: string, when: string): MqttPacketError {
  const message = `${packet.toUpperCase()}: it must not come ${when}`
  return new MqttPacketError(packetFault.protocol, message)
}

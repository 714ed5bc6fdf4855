import { backoffDelayMs, reconnectBackoff } from '../../core/backoff.ts'
import type { Timer } from '../../core/clock.ts'
import { EdgebootError } from '../../core/errors.ts'
import { type BrokerAddress, parseBrokerAddress } from './broker-address.ts'
import {
  brokerLabel,
  type FailureContext,
  sessionFailure,
  subscribeFailure,
  takeoverFailure,
  timeoutFailure,
} from './broker-failure.ts'
import { readTlsMaterial } from './broker-socket.ts'
import type { BrokerConnectionOwner, BrokerConnectionParts } from './connection-owner.ts'
import {
  isClosedByBroker,
  type Session,
  type SessionEnd,
  type SessionFacts,
  type SessionListener,
} from './mqtt-session.ts'
import { ProtocolChoice } from './protocol-choice.ts'
import { quickCloseMs, type SessionClose, TakeoverWatch } from './takeover-watch.ts'

/** Patience with a broker that does not close its end. */
const disconnectMs = 1_000

/**
 * Keeps one MQTT session to one broker: tries, falls back to 3.1.1 where MQTT 5 is not spoken,
 * waits with jittered backoff, and steps aside when another client has taken the client id. Every
 * attempt is a session with an epoch of its own.
 */
export class BrokerConnection {
  readonly #parts: BrokerConnectionParts
  readonly #owner: BrokerConnectionOwner
  readonly #address: BrokerAddress
  readonly #label: string
  readonly #takeovers: TakeoverWatch
  readonly #protocol: ProtocolChoice
  /** Tells the attempt under way from those given up. */
  #attempt = 0
  /** Grows with every session, so that tokens of an older one are known. */
  #epoch = 0
  #session: Session | undefined
  #openedAt: number | undefined
  #failures = 0
  #timer: Timer | undefined
  /** What went wrong last, until connected: to log only what is new. */
  #lastError: EdgebootError | undefined
  #closed = false

  constructor(parts: BrokerConnectionParts, owner: BrokerConnectionOwner) {
    this.#parts = parts
    this.#owner = owner
    this.#address = parseBrokerAddress(parts.broker.url)
    this.#label = brokerLabel(parts.broker.name, this.#address.text)
    this.#takeovers = new TakeoverWatch(parts.clock, parts.random)
    this.#protocol = new ProtocolChoice(parts.broker.protocol)
  }

  /** Begins to try. To be called once. */
  start(): void {
    if (this.#parts.broker.tls?.insecure === true && this.#address.secure) {
      this.#parts.log.warn('broker.tls-unverified', {
        ...this.#fields(),
        meaning: 'tls.insecure is true: anyone on the way can read and forge what is sent',
      })
    }
    this.#try()
  }

  /** Disconnects and stops trying. Idempotent, never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#attempt += 1
    this.#timer?.cancel()
    const session = this.#session
    this.#session = undefined
    if (session !== undefined) await session.disconnect(disconnectMs)
    this.#owner.state({ status: 'closed', reason: 'it was closed by edgeboot' })
  }

  #try(): void {
    const again = this.#lastError === undefined ? '' : ` again, because ${this.#lastError.message}`
    this.#owner.state({ status: 'connecting', reason: `connecting to ${this.#label}${again}` })
    this.#connect()
  }

  #connect(): void {
    this.#attempt += 1
    const attempt = this.#attempt
    const { broker } = this.#parts
    this.#limitTime(attempt, 'CONNECT')
    readTlsMaterial(broker.tls, this.#label).then(
      (tls) => {
        if (attempt === this.#attempt) this.#open(attempt, tls)
      },
      (error: EdgebootError) => {
        if (attempt === this.#attempt) this.#retryLater(error)
      },
    )
  }

  #open(attempt: number, tls: Awaited<ReturnType<typeof readTlsMaterial>>): void {
    const { broker, clientId, clock, openSession, keptForSeconds, receiveMaximum } = this.#parts
    this.#epoch += 1
    const options = {
      broker,
      address: this.#address,
      tls,
      clientId,
      protocol: this.#protocol.current,
      clock,
      epoch: this.#epoch,
      keptForSeconds,
      receiveMaximum,
    }
    try {
      this.#session = openSession(options, this.#listener(attempt))
    } catch (thrown) {
      // A certificate or key that cannot be parsed.
      const error = thrown instanceof Error ? thrown : new Error(String(thrown))
      const message = `${this.#label}: the TLS settings cannot be used: ${error.message}`
      const details = { where: this.#address.text }
      this.#retryLater(new EdgebootError('BROKER_TLS', message, { details, cause: error }))
    }
  }

  #listener(attempt: number): SessionListener {
    return {
      opened: (facts) => {
        if (attempt === this.#attempt) this.#opened(attempt, facts)
      },
      message: (message) => {
        // One that was given up may still deliver while it disconnects: nobody can settle that.
        if (attempt === this.#attempt) this.#owner.message(message)
      },
      room: () => {
        if (attempt === this.#attempt) this.#owner.room()
      },
      ended: (end) => {
        if (attempt === this.#attempt) this.#ended(end)
      },
    }
  }

  #opened(attempt: number, facts: SessionFacts): void {
    const session = this.#session
    if (session === undefined) return
    if (this.#protocol.opened()) this.#tellOf311()
    this.#openedAt = this.#parts.clock.monotonic()
    this.#takeovers.opened()
    this.#limitTime(attempt, 'SUBSCRIBE')
    const protocol = this.#protocol.current
    const ownFacts = { ...facts, protocol, epoch: this.#epoch }
    this.#owner.opened(session, ownFacts, (suback) => {
      if (attempt !== this.#attempt) return
      this.#timer?.cancel()
      if (suback !== undefined && suback.code >= 128) {
        this.#giveUp(subscribeFailure(suback.filter, suback.code, this.#context()))
        return
      }
      this.#lastError = undefined
      this.#parts.log.info('broker.connected', { ...this.#fields(), protocol })
      this.#owner.state({ status: 'connected', protocol })
    })
  }

  #ended(end: SessionEnd): void {
    this.#timer?.cancel()
    this.#session = undefined
    const context = this.#context()
    if (this.#openedAt === undefined) {
      this.#takeovers.attemptFailed()
      if (this.#protocol.failed(end)) this.#connect()
      else this.#retryLater(sessionFailure(end, context))
      return
    }
    this.#forgetSession()
    const takeover = this.#takeovers.ended(closeOf(end))
    if (takeover === undefined) {
      this.#retryLater(sessionFailure(end, context))
    } else {
      this.#stepAside(takeoverFailure(takeover.certain, context), takeover.delayMs)
    }
  }

  #tellOf311(): void {
    this.#parts.log.info('broker.protocol-fallback', {
      ...this.#fields(),
      protocol: '3.1.1',
      meaning: 'the broker does not speak MQTT 5',
    })
  }

  /** Ends the session for a reason of ours and tries again later. */
  #giveUp(error: EdgebootError): void {
    const session = this.#session
    this.#session = undefined
    if (this.#openedAt !== undefined) this.#forgetSession()
    this.#takeovers.attemptFailed()
    void session?.disconnect(disconnectMs)
    this.#retryLater(error)
  }

  /** A connection that held counts as a success: the waits begin anew. */
  #forgetSession(): void {
    const heldMs = this.#parts.clock.monotonic() - (this.#openedAt ?? 0)
    if (heldMs > quickCloseMs) this.#failures = 0
    this.#openedAt = undefined
    this.#owner.lost()
  }

  #retryLater(error: EdgebootError): void {
    this.#failures += 1
    const delayMs = backoffDelayMs(this.#failures, reconnectBackoff, this.#parts.random)
    const isNew = error.message !== this.#lastError?.message
    this.#parts.log.log(isNew ? 'warn' : 'debug', 'broker.unavailable', {
      ...this.#fields(),
      code: error.code,
      reason: error.message,
      fix: error.fix,
      nextAttemptMs: delayMs,
    })
    this.#wait('waiting', error, delayMs)
  }

  #stepAside(error: EdgebootError, delayMs: number): void {
    this.#parts.log.error('broker.session-taken', {
      ...this.#fields(),
      code: error.code,
      reason: error.message,
      fix: error.fix,
      nextAttemptMs: delayMs,
    })
    this.#wait('taken', error, delayMs)
  }

  #wait(status: 'waiting' | 'taken', error: EdgebootError, delayMs: number): void {
    this.#attempt += 1
    this.#lastError = error
    this.#timer?.cancel()
    this.#timer = this.#parts.clock.after(delayMs, () => this.#try(), { keepAlive: true })
    const reason = `${error.message}; next attempt in ${seconds(delayMs)}`
    this.#owner.state({ status, reason, error })
  }

  #limitTime(attempt: number, step: 'CONNECT' | 'SUBSCRIBE'): void {
    const { clock, broker } = this.#parts
    this.#timer?.cancel()
    this.#timer = clock.after(broker.connectTimeoutMs, () => {
      if (attempt !== this.#attempt) return
      if (step === 'SUBSCRIBE' && !this.#owner.isReading()) {
        // The answer may be behind messages that the owner has no room for: that is no silence.
        this.#limitTime(attempt, step)
        return
      }
      const error = timeoutFailure(step, broker.connectTimeoutMs, this.#context())
      if (this.#openedAt === undefined) {
        this.#session?.destroy()
        this.#session = undefined
      }
      this.#giveUp(error)
    })
  }

  #context(): FailureContext {
    return {
      broker: this.#label,
      address: this.#address.text,
      clientId: this.#parts.clientId,
      protocol: this.#protocol.current,
      wasOpen: this.#openedAt !== undefined,
    }
  }

  #fields(): Readonly<Record<string, string>> {
    return {
      broker: this.#parts.broker.name,
      address: this.#address.text,
      clientId: this.#parts.clientId,
    }
  }
}

/** What the end of an open session says about a takeover. */
function closeOf(end: SessionEnd): SessionClose {
  if (end.kind === 'disconnected') return end.code === 142 ? 'told' : 'other'
  return isClosedByBroker(end) ? 'closed' : 'other'
}

/** A duration as a person says it. */
function seconds(ms: number): string {
  return ms < 90_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`
}

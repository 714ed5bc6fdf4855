/** Turns what went wrong with a broker into an error that names it and says why in plain words. */
import type { ErrorCode } from '../../core/error-catalogue.ts'
import { EdgebootError } from '../../core/errors.ts'
import type { MqttProtocol, SessionEnd } from './mqtt-session.ts'
import { reasonWords } from './reason-codes.ts'

/** Who failed whom. */
export interface FailureContext {
  /** Such as `broker plant (mqtt://10.0.0.5:1883)`. */
  readonly broker: string
  /** The address alone, without credentials. */
  readonly address: string
  readonly clientId: string
  readonly protocol: MqttProtocol
  /** Whether the session had been open. */
  readonly wasOpen: boolean
}

/** Name and address of a broker as they stand in every reason. */
export function brokerLabel(name: string, address: string): string {
  return `broker ${name} (${address})`
}

/** The error for a session that ended, or never came to be. */
export function sessionFailure(end: SessionEnd, context: FailureContext): EdgebootError {
  const { broker, wasOpen } = context
  switch (end.kind) {
    case 'socket':
      return socketFailure(end.error, context)
    case 'refused': {
      const code: ErrorCode = awayCodes.has(end.code) ? 'BROKER_UNREACHABLE' : 'BROKER_REFUSED'
      const words = reasonWords(end.code, context)
      return failure(code, `${broker} refused the connection: ${words}`, context, {
        reasonCode: end.code,
      })
    }
    case 'disconnected': {
      const code: ErrorCode = wasOpen ? 'BROKER_CONNECTION_LOST' : 'BROKER_REFUSED'
      const words = reasonWords(end.code, context)
      return failure(code, `${broker} ended the connection: ${words}`, context, {
        reasonCode: end.code,
      })
    }
    case 'silent':
      return failure('BROKER_CONNECTION_LOST', `${broker} no longer answers`, context)
    case 'protocol': {
      const code: ErrorCode = wasOpen ? 'BROKER_CONNECTION_LOST' : 'BROKER_UNREACHABLE'
      const fault = wasOpen ? 'broke the rules of' : 'sent what is not'
      const message = `${broker} ${fault} MQTT ${context.protocol}: ${end.error.message}`
      return failure(code, message, context, { cause: end.error })
    }
  }
}

/** The error for a broker that accepted the bytes but did not answer in time. */
export function timeoutFailure(
  step: 'CONNECT' | 'SUBSCRIBE',
  limitMs: number,
  context: FailureContext,
): EdgebootError {
  const message = `${context.broker} did not answer ${step} within ${limitMs / 1000} s`
  return failure('BROKER_UNREACHABLE', message, context)
}

/** The error for a SUBACK that refuses. */
export function subscribeFailure(
  filter: string,
  code: number,
  context: FailureContext,
): EdgebootError {
  const words =
    context.protocol === '5' ? reasonWords(code, context) : 'MQTT 3.1.1 brokers give no reason'
  const message = `${context.broker} refused the subscription to "${filter}": ${words}`
  return failure('BROKER_SUBSCRIBE_REFUSED', message, context, { reasonCode: code, topic: filter })
}

/** The error for a client id that another client uses too. */
export function takeoverFailure(certain: boolean, context: FailureContext): EdgebootError {
  const { broker, clientId } = context
  const message = certain
    ? `${broker} gave the session of client id "${clientId}" to another client`
    : `${broker} keeps closing the connection of client id "${clientId}" within seconds, ` +
      `as brokers do when another client uses the same id, or for something sent that they forbid`
  return failure('BROKER_SESSION_TAKEN', message, context, { clientId })
}

function socketFailure(error: Error | undefined, context: FailureContext): EdgebootError {
  const { broker, wasOpen } = context
  if (error === undefined) {
    return wasOpen
      ? failure('BROKER_CONNECTION_LOST', `${broker} closed the connection`, context)
      : failure('BROKER_UNREACHABLE', `${broker} closed the connection unanswered`, context)
  }
  const code = codeOf(error)
  const tlsWords = tlsReason(code, error)
  if (tlsWords !== undefined) {
    return failure('BROKER_TLS', `${broker} failed the TLS check: ${tlsWords}`, context, {
      cause: error,
    })
  }
  const words = socketWords[code] ?? (error.message || code || 'unknown error')
  const shown = code === '' || words.includes(code) ? words : `${words} (${code})`
  if (wasOpen) {
    const message = `the connection to ${broker} broke: ${shown}`
    return failure('BROKER_CONNECTION_LOST', message, context, { cause: error })
  }
  if (/^Unexpected server response: 40[13]$/.test(error.message)) {
    const status = error.message.slice(-3)
    const message = `${broker} refused the WebSocket with HTTP status ${status}`
    return failure('BROKER_REFUSED', message, context, { cause: error })
  }
  return failure('BROKER_UNREACHABLE', `cannot reach ${broker}: ${shown}`, context, {
    cause: error,
  })
}

function failure(
  code: ErrorCode,
  message: string,
  context: FailureContext,
  facts: { readonly cause?: Error; readonly [name: string]: unknown } = {},
): EdgebootError {
  const { cause, ...details } = facts
  return new EdgebootError(code, message, {
    details: { where: context.address, ...details },
    ...(cause && { cause }),
  })
}

function codeOf(error: Error): string {
  const code: unknown = (error as { code?: unknown }).code
  return typeof code === 'string' ? code : ''
}

const socketWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be looked up now',
  ETIMEDOUT: 'no answer from there',
  EHOSTUNREACH: 'no route to that host',
  ENETUNREACH: 'no route to that network',
  ECONNRESET: 'the other side reset the connection',
  EPIPE: 'the other side closed the connection',
}

const certificateWords: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate comes from an authority that is not trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the authority of its certificate is not known here',
  UNABLE_TO_GET_ISSUER_CERT: 'the authority of its certificate is not known here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the authority of its certificate is not known here',
  CERT_SIGNATURE_FAILURE: 'its certificate was not signed by the authority that is trusted here',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet, or the clock of this machine is wrong',
  CERT_REVOKED: 'its certificate was revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate was made for another host name',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS on this port',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS on this port',
  ERR_OSSL_X509_KEY_VALUES_MISMATCH: 'tls.keyFile does not belong to tls.certFile',
}

/** Why TLS failed in words, or `undefined` when it is something else. */
function tlsReason(code: string, error: Error): string | undefined {
  const words = certificateWords[code]
  if (words !== undefined) return `${words} (${code})`
  if (/ALERT.*CERT|ALERT_UNKNOWN_CA/.test(code)) return `it refused our certificate (${code})`
  if (/^ERR_(SSL|TLS|OSSL|CRYPTO)_/.test(code) || code === 'EPROTO') {
    return `${error.message} (${code})`
  }
  return /^(CERT|CRL|UNABLE_TO|INVALID_CA|HOSTNAME_MISMATCH|PATH_LENGTH)/.test(code)
    ? `${error.message} (${code})`
    : undefined
}

/** CONNACK codes of a broker that is there but cannot serve now. */
const awayCodes: ReadonlySet<number> = new Set([3, 136, 137, 139])

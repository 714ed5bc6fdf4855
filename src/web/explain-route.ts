import { nearestWord } from '../config/nearest-word.ts'
import { messageTopicFault } from '../core/mqtt-topic.ts'
import type { ExplainQuestion, SystemView } from '../host/system-view.ts'
import { decodePayload } from '../pipeline/decode.ts'
import { errorReply, jsonReply, type Reply, type Route } from './route.ts'

/** Endings that may be asked for. */
const lastMax = 1000

/**
 * What becomes of a message, and where the last ones ended: asked with a topic, a message or both.
 * A message is the payload as text or in Base64, or the event that its JSON gives. Nothing is
 * published, and no model runs.
 */
export function explainRoute(view: SystemView): Route {
  return {
    method: 'POST',
    path: '/api/v1/explain',
    public: false,
    async handler({ body }) {
      const question = readQuestion(body)
      if ('status' in question) return question
      return jsonReply({ pipelines: await view.explain(question) })
    },
  }
}

const keys = ['topic', 'payload', 'payloadBase64', 'event', 'retain', 'last'] as const
const messageKeys = ['payload', 'payloadBase64', 'event'] as const

function readQuestion(body: Uint8Array): ExplainQuestion | Reply {
  const decoded = decodePayload(body)
  if (!decoded.ok) return bad(`The body is not JSON (${decoded.detail}).`)
  const asked = decoded.event
  if (typeof asked !== 'object' || asked === null || Array.isArray(asked)) {
    return bad(`The body has to be a map with ${keys.join(', ')}.`)
  }
  return readFields(asked as Readonly<Record<string, unknown>>)
}

function readFields(asked: Readonly<Record<string, unknown>>): ExplainQuestion | Reply {
  const unknown = Object.keys(asked).find((key) => !keys.some((known) => known === key))
  if (unknown !== undefined) {
    const meant = nearestWord(unknown, keys)
    const hint = meant === undefined ? `It takes ${keys.join(', ')}.` : `Did you mean ${meant}?`
    return bad(`${JSON.stringify(unknown.slice(0, 80))} is not known here. ${hint}`)
  }
  const { topic, retain = false, last } = asked
  if (topic !== undefined && typeof topic !== 'string') return bad('topic has to be text.')
  const fault = topic === undefined ? undefined : messageTopicFault(topic)
  if (fault !== undefined) return bad(`The topic ${fault}.`)
  if (typeof retain !== 'boolean') return bad('retain has to be true or false.')
  if (last !== undefined && !isCount(last)) {
    return bad(`last has to be a whole number from 0 to ${lastMax}.`)
  }
  const given = messageKeys.filter((key) => asked[key] !== undefined)
  if (given.length > 1) return bad(`Give one of ${given.join(' and ')}: they are the same message.`)
  if (topic === undefined && given.length === 0) {
    return bad('Give a topic, or a message as payload, payloadBase64 or event, or both.')
  }
  const payload = readPayload(asked)
  if (typeof payload === 'string') return bad(payload)
  return {
    ...(topic === undefined ? {} : { topic }),
    ...(payload === undefined ? {} : { payload }),
    retain,
    ...(last === undefined ? {} : { last }),
  }
}

/** The bytes; `undefined` when there is no message; as text what is wrong with it. */
function readPayload({
  payload,
  payloadBase64,
  event,
}: Readonly<Record<string, unknown>>): Uint8Array | undefined | string {
  if (event !== undefined) return Buffer.from(JSON.stringify(event))
  if (payload !== undefined) {
    return typeof payload === 'string'
      ? Buffer.from(payload)
      : 'payload has to be text; JSON goes into event.'
  }
  if (payloadBase64 === undefined) return undefined
  const isBase64 = typeof payloadBase64 === 'string' && /^[\w+/-]*={0,2}$/.test(payloadBase64)
  return isBase64 ? Buffer.from(payloadBase64, 'base64') : 'payloadBase64 has to be Base64.'
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= lastMax
}

function bad(message: string): Reply {
  return errorReply(400, 'BAD_REQUEST', message)
}

import type { ModelControl, VersionAnswer } from '../host/model-control.ts'
import { errorReply, jsonReply, type Reply, type Route, type WebRequest } from './route.ts'

/** A reason that is longer is cut by the store; a body that is longer is none of ours. */
const bodyBytesMax = 4096

/**
 * Routes that let another version of a model serve. They answer when the store has recorded it and the
 * pipelines are being seen to; how that ended is in the log and in the states.
 */
export function modelRoutes(models: ModelControl): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/api/v1/models/:name/activate',
      public: false,
      async handler(request) {
        const name = request.params['name'] ?? ''
        const body = bodyOf(request)
        const version = body?.['version']
        if (version === null) return replyTo(name, await models.unpin(name))
        if (typeof version !== 'string' || version === '') {
          const message = 'The body must be JSON such as {"version":"1.4.0"}, or null to unpin.'
          return errorReply(400, 'BAD_REQUEST', message)
        }
        return replyTo(name, await models.activate(name, version))
      },
    },
    {
      method: 'POST',
      path: '/api/v1/models/:name/rollback',
      public: false,
      async handler(request) {
        const name = request.params['name'] ?? ''
        const reason = bodyOf(request)?.['reason']
        return replyTo(
          name,
          await models.rollback(name, typeof reason === 'string' ? reason : undefined),
        )
      },
    },
  ]
}

function replyTo(model: string, answer: VersionAnswer): Reply {
  if (answer.kind === 'refused') {
    const status = answer.code === 'MODEL_VERSION_UNKNOWN' ? 404 : 422
    return errorReply(status, answer.code, `${answer.reason}. ${answer.fix}`)
  }
  const { version, pipelines } = answer
  return jsonReply({ accepted: true, model, ...version, pipelines }, 202)
}

function bodyOf({ body }: WebRequest): Record<string, unknown> | undefined {
  if (body.byteLength === 0 || body.byteLength > bodyBytesMax) return undefined
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

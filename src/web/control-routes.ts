import type { ReloadReport, SystemControl, SystemView } from '../host/system-view.ts'
import { errorReply, jsonReply, type Reply, type Route } from './route.ts'

/**
 * Routes that change something: a reload of the configuration, the restart of one pipeline. Both
 * answer when it is known what will be done; how it ended is in the log and in the states.
 */
export function controlRoutes(view: SystemView, control: SystemControl): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/reload',
      public: false,
      handler() {
        const { counts, last } = view.reloads
        return jsonReply({ counts, last: last === undefined ? null : reportJson(last) })
      },
    },
    { method: 'POST', path: '/api/v1/reload', public: false, handler: () => reload(control) },
    {
      method: 'POST',
      path: '/api/v1/pipelines/:name/restart',
      public: false,
      handler({ params }) {
        const name = params['name'] ?? ''
        if (control.restart(name)) return jsonReply({ accepted: true, pipeline: name }, 202)
        return errorReply(
          404,
          'NO_SUCH_PIPELINE',
          `There is no pipeline ${JSON.stringify(name)}; GET /api/v1/pipelines lists them.`,
        )
      },
    },
    {
      method: 'POST',
      path: '/api/v1/dead-letters/replay',
      public: false,
      handler: () => jsonReply({ accepted: true, pipelines: control.replay() }, 202),
    },
  ]
}

async function reload(control: SystemControl): Promise<Reply> {
  const answer = await control.reload('api')
  if (answer.kind === 'refused') return errorReply(422, answer.code, answer.reason)
  if (answer.kind === 'stopping') {
    return errorReply(503, 'STOPPING', 'This edgeboot is being stopped.')
  }
  const { kind, ...plan } = answer
  return jsonReply({ accepted: true, queued: kind === 'queued', ...plan }, 202)
}

function reportJson(report: ReloadReport): object {
  return { ...report, at: new Date(report.at).toISOString() }
}

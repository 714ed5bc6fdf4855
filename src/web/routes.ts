import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import type { ModelControl } from '../host/model-control.ts'
import type { PipelineStatus, SystemControl, SystemView } from '../host/system-view.ts'
import { quantileMs } from '../pipeline/latency-histogram.ts'
import type { PipelineStats } from '../pipeline/pipeline-stats.ts'
import { explainRoute } from './explain-route.ts'
import { controlRoutes } from './control-routes.ts'
import { createMetrics } from './metrics.ts'
import { modelRoutes } from './model-routes.ts'
import { jsonReply, type Route } from './route.ts'
import { noStats, StatsReader } from './stats-reader.ts'
import { renderStatusPage, statusPagePolicy } from './status-page.ts'

/**
 * Everything that edgeboot answers over HTTP, whatever framework it is mounted on.
 *
 * @param control - Absent, nothing can be changed.
 * @param models - The same for versions of models.
 */
export function buildRoutes(
  view: SystemView,
  clock: Clock,
  log: Logger,
  control?: SystemControl,
  models?: ModelControl,
): readonly Route[] {
  const stats = new StatsReader(view, clock, log)
  return [
    queueSizeRoute(view, stats),
    metricsRoute(view, stats),
    livenessRoute(view),
    readinessRoute(view),
    pipelinesRoute(view, stats),
    explainRoute(view),
    statusPageRoute(view, stats, clock),
    ...(control === undefined ? [] : controlRoutes(view, control)),
    ...(models === undefined ? [] : modelRoutes(models)),
  ]
}

/** pyboot's endpoint: its dashboards read it, so not a byte may differ. */
function queueSizeRoute(view: SystemView, stats: StatsReader): Route {
  return {
    method: 'GET',
    path: '/queue_size_metrics',
    public: true,
    async handler() {
      const counts = await stats.read()
      const sizes = view.pipelines().map(({ name }) => {
        const { preQueue, postQueue } = counts.get(name) ?? noStats
        return { sub_process_name: name, pre_queue: preQueue, post_queue: postQueue }
      })
      return jsonReply({ queue_size_metrics: sizes })
    },
  }
}

function metricsRoute(view: SystemView, stats: StatsReader): Route {
  const metrics = createMetrics(view, stats)
  return {
    method: 'GET',
    path: '/metrics',
    public: true,
    async handler() {
      return { status: 200, contentType: metrics.contentType, body: await metrics.text() }
    },
  }
}

function livenessRoute(view: SystemView): Route {
  return {
    method: 'GET',
    path: '/livez',
    public: true,
    handler() {
      const { alive, reason } = view.liveness()
      return jsonReply({ alive, reason }, alive ? 200 : 503)
    },
  }
}

function readinessRoute(view: SystemView): Route {
  return {
    method: 'GET',
    path: '/readyz',
    public: true,
    handler() {
      const pipelines = view.pipelines().map(({ name, state, since, reason }) => {
        return { name, state, since: new Date(since).toISOString(), reason }
      })
      const ready = pipelines.every(({ state }) => state === 'READY')
      return jsonReply({ ready, pipelines }, ready ? 200 : 503)
    },
  }
}

function pipelinesRoute(view: SystemView, stats: StatsReader): Route {
  return {
    method: 'GET',
    path: '/api/v1/pipelines',
    public: false,
    async handler() {
      const counts = await stats.read()
      return jsonReply({
        version: view.version,
        startedAt: new Date(view.startedAt).toISOString(),
        pipelines: view
          .pipelines()
          .map((status) => pipelineJson(status, counts.get(status.name) ?? noStats)),
      })
    },
  }
}

function pipelineJson(status: PipelineStatus, stats: PipelineStats): object {
  const { latency, ...counts } = stats
  const quantiles = {
    p50Ms: quantileMs(latency.counts, 0.5) ?? null,
    p99Ms: quantileMs(latency.counts, 0.99) ?? null,
  }
  const since = new Date(status.since).toISOString()
  return { ...status, since, stats: { ...counts, latency: quantiles } }
}

function statusPageRoute(view: SystemView, stats: StatsReader, clock: Clock): Route {
  return {
    method: 'GET',
    path: '/',
    public: false,
    async handler() {
      return {
        status: 200,
        contentType: 'text/html; charset=utf-8',
        body: renderStatusPage(view, await stats.read(), clock.now()),
        headers: { 'content-security-policy': statusPagePolicy },
      }
    },
  }
}

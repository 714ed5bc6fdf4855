import { collectDefaultMetrics, Registry, type Gauge } from 'prom-client'
import type { PipelineState, PipelineStatus, SystemView } from '../host/system-view.ts'
import { dropReasons, latencyBoundsMs, type PipelineStats } from '../pipeline/pipeline-stats.ts'
import { noStats, type StatsByPipeline, type StatsReader } from './stats-reader.ts'

const prefix = 'edgeboot_'

const states: Readonly<Record<PipelineState, true>> = {
  NEW: true,
  FETCHING: true,
  VERIFYING: true,
  STARTING: true,
  WARMING: true,
  READY: true,
  DRAINING: true,
  BACKOFF: true,
  BROKEN: true,
}

/** What Prometheus reads. */
export interface Metrics {
  readonly contentType: string
  /** The text of one scrape. */
  text(): Promise<string>
}

type Labels = Readonly<Record<string, string | number>>

interface Sample {
  readonly labels: Labels
  readonly value: number
  /** Differs from the family's in the parts of a histogram. */
  readonly metricName?: string
}

interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly samples: (view: SystemView, stats: StatsByPipeline) => Sample[]
}

/**
 * Shows the counts of the running system to Prometheus, with `edgeboot_` in front, together with
 * the process's own. The counts live in the pipelines alone: every scrape reads them anew.
 */
export function createMetrics(view: SystemView, stats: StatsReader): Metrics {
  const registry = new Registry()
  addProcessMetrics(registry)
  let latest: StatsByPipeline = new Map()
  for (const { samples, ...family } of families) {
    // prom-client asks of a metric no more than its name and this. Its own Counter and Histogram
    // count for themselves, which would be a second place for the same numbers.
    const metric = { ...family, get: () => ({ ...family, values: samples(view, latest) }) }
    registry.registerMetric(metric as unknown as Gauge)
  }
  return {
    contentType: registry.contentType,
    async text() {
      latest = await stats.read()
      return registry.metrics()
    },
  }
}

/**
 * prom-client samples the delay of the event loop with a timer that wakes an idle process a hundred
 * times a second, and counts the time between samples in. What it measures at the scrape itself
 * stays; the samples go, and with them the timer but for once an hour.
 */
function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, prefix, eventLoopMonitoringPrecision: 3_600_000 })
  for (const sampled of ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99']) {
    registry.removeSingleMetric(`${prefix}nodejs_eventloop_lag_${sampled}_seconds`)
  }
}

const families: readonly Family[] = [
  counter('messages_received_total', 'Messages from the source.', (s) => s.received),
  counter('received_bytes_total', 'Bytes of payload from the source.', (s) => s.receivedBytes),
  counter('results_published_total', 'Results published.', (s) => s.published),
  counter('published_bytes_total', 'Bytes of results published.', (s) => s.publishedBytes),
  counter(
    'events_fanned_out_total',
    'Events beyond one per message, where a message fits several devices.',
    (s) => s.fannedOut,
  ),
  counter(
    'events_retried_total',
    'Events given to a runner again after it died.',
    (s) => s.retried,
  ),
  counter(
    'messages_redelivered_total',
    'Messages that the broker marked as possibly sent before.',
    (s) => s.redelivered,
  ),
  counter(
    'sessions_lost_total',
    'Times that the broker had lost the session that it was to keep.',
    (s) => s.sessionsLost,
  ),
  {
    name: `${prefix}events_dropped_total`,
    help: 'Messages and events that produced no result, by reason.',
    type: 'counter',
    samples: each((labels, { dropped }) =>
      dropReasons.map((reason) => ({
        labels: { ...labels, reason },
        value: dropped[reason] ?? 0,
      })),
    ),
  },
  gauge('pre_queue', 'Events waiting for a runner.', (s) => s.preQueue),
  gauge('post_queue', 'Results waiting for the output broker.', (s) => s.postQueue),
  gauge('in_runners', 'Events in a runner.', (s) => s.inRunners),
  gauge('in_motion', 'Events in the pipeline in any place but the spool.', (s) => s.inMotion),
  gauge(
    'unacknowledged',
    'Messages received and not yet acknowledged (QoS 1).',
    (s) => s.unacknowledged,
  ),
  gauge('spooled', 'Results on the disk.', (s) => s.spooled),
  gauge(
    'spool_recovered',
    'Results that the spool held when the pipeline began, less those that earlier hosts of it left there.',
    (s) => s.recovered,
  ),
  counter('dead_lettered_total', 'Events that are kept as dead letters.', (s) => s.deadLettered),
  counter(
    'dead_letters_discarded_total',
    'Dead letters that made room for newer ones.',
    (s) => s.deadLettersDiscarded,
  ),
  counter(
    'dead_letter_copies_total',
    'Copies of dead letters that were given to the output broker.',
    (s) => s.deadLetterCopies,
  ),
  counter('dead_letters_replayed_total', 'Dead letters that were run again.', (s) => s.replayed),
  gauge(
    'dead_letters_waiting',
    'Events that were given up and wait for the disk to keep them.',
    (s) => s.deadLettersWaiting,
  ),
  {
    name: `${prefix}pipeline_state`,
    help: '1 for the state that the pipeline is in, 0 for the others.',
    type: 'gauge',
    samples: each((labels, _stats, status) =>
      Object.keys(states).map((state) => ({
        labels: { ...labels, state },
        value: state === status.state ? 1 : 0,
      })),
    ),
  },
  counter(
    'pipeline_restarts_total',
    'Restarts of the host process.',
    (_stats, status) => status.restarts,
  ),
  counter('runner_restarts_total', 'Restarts of runners.', (s) => s.runnerRestarts),
  counter(
    'runner_recycles_total',
    'Runners replaced because they held too much memory.',
    (s) => s.runnerRecycles,
  ),
  counter('reconnects_total', 'Connections to a broker that were made again.', (s) => s.reconnects),
  {
    name: `${prefix}latency_seconds`,
    help: 'From the receipt of a message to its result being published.',
    type: 'histogram',
    samples: each((labels, { latency }) => histogram(labels, latency)),
  },
  {
    name: `${prefix}config_reloads_total`,
    help: 'Reloads of the configuration, by what became of them.',
    type: 'counter',
    samples: ({ reloads }) =>
      Object.entries(reloads.counts).map(([result, value]) => ({ labels: { result }, value })),
  },
  {
    name: `${prefix}model_update`,
    help: 'Always 1, while another version of a model is on its way or was turned down; its state is in the label.',
    type: 'gauge',
    samples: each((labels, _stats, { update }) =>
      update === undefined
        ? []
        : [{ labels: { ...labels, version: update.version, state: update.state }, value: 1 }],
    ),
  },
  {
    name: `${prefix}build_info`,
    help: 'Always 1; the version is in the label.',
    type: 'gauge',
    samples: ({ version }) => [{ labels: { version }, value: 1 }],
  },
]

type Read = (stats: PipelineStats, status: PipelineStatus) => number

function counter(name: string, help: string, read: Read): Family {
  return { name: prefix + name, help, type: 'counter', samples: one(read) }
}

function gauge(name: string, help: string, read: Read): Family {
  return { name: prefix + name, help, type: 'gauge', samples: one(read) }
}

function one(read: Read): Family['samples'] {
  return each((labels, stats, status) => [{ labels, value: read(stats, status) }])
}

function each(
  samplesOf: (labels: Labels, stats: PipelineStats, status: PipelineStatus) => Sample[],
): Family['samples'] {
  return (view, stats) =>
    view.pipelines().flatMap((status) => {
      const labels = { pipeline: status.name, rule: status.rule, model: status.model }
      return samplesOf(labels, stats.get(status.name) ?? noStats, status)
    })
}

/** Prometheus counts each bucket together with all below it. */
function histogram(labels: Labels, latency: PipelineStats['latency']): Sample[] {
  const name = `${prefix}latency_seconds`
  const samples: Sample[] = []
  let count = 0
  for (const [bucket, boundMs] of latencyBoundsMs.entries()) {
    count += latency.counts[bucket] ?? 0
    samples.push({
      metricName: `${name}_bucket`,
      labels: { ...labels, le: boundMs / 1000 },
      value: count,
    })
  }
  count += latency.counts[latencyBoundsMs.length] ?? 0
  samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count })
  samples.push({ metricName: `${name}_sum`, labels, value: latency.sumMs / 1000 })
  samples.push({ metricName: `${name}_count`, labels, value: count })
  return samples
}

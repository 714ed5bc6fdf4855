import type { EffectiveSettings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import { limits } from '../core/limits.ts'
import type { Logger } from '../core/log.ts'
import { type ModelPackage, sharesHost } from '../models/model-package.ts'
import type { ResultProperties } from '../pipeline/outlet.ts'
import type { PipelineHealth } from '../pipeline/pipeline-health.ts'
import { Pipeline } from '../pipeline/pipeline.ts'
import type { ProbationVerdict } from '../pipeline/probation.ts'
import type { Recorder } from '../pipeline/recorder.ts'
import { ResultIds, resultIdProperty } from '../pipeline/result-id.ts'
import { newLetterId } from '../dead-letters/letter-id.ts'
import { SqliteDeadLetters } from '../dead-letters/sqlite-dead-letters.ts'
import type { DeadLetterHandling } from '../pipeline/dead-letter-office.ts'
import type { ModelRelease } from '../pipeline/model-release.ts'
import { RunnerPool } from '../pipeline/runner-pool.ts'
import { createMqttSink, createMqttSource } from '../transport/mqtt/create-mqtt-transport.ts'
import { compileTopicTemplate } from '../transport/render-topic.ts'
import { SpoolingSink } from '../transport/spool/spooling-sink.ts'
import { FileRecorder } from './recorder/file-recorder.ts'
import type { Sink } from '../transport/transport.ts'
import { compileMatcher } from './compile-matcher.ts'

/** What a pipeline needs besides its settings. */
export interface AssemblyParts {
  readonly model: ModelPackage
  /** The model as it is to be run. */
  readonly release: ModelRelease
  readonly clock: Clock
  readonly log: Logger
  readonly changed: (health: PipelineHealth) => void
  readonly probationDecided: (verdict: ProbationVerdict) => void
}

/**
 * Builds a pipeline out of its settings: compiles the conditions and the topic template, and
 * chooses transports and runners. Acquires nothing; `start` of the pipeline does.
 *
 * @throws EdgebootError `CONFIG_INVALID` for a condition that does not compile.
 */
export function assemblePipeline(settings: EffectiveSettings, parts: AssemblyParts): Pipeline {
  const { model, clock, log } = parts
  const renderTopic = compileTopicTemplate(settings.sink.topic, {
    rule: settings.rule,
    model: settings.model.name,
  })
  const ids = new ResultIds({ rule: settings.rule, model: model.name })
  return new Pipeline(
    {
      source: createMqttSource(settings.source, { clock, log }),
      sink: createSink(settings, parts),
      matcher: compileMatcher(settings),
      createPool: (callbacks) =>
        new RunnerPool({
          size: Math.max(settings.workers, 1),
          release: parts.release,
          clock,
          random: Math.random,
          log,
          ...callbacks,
        }),
      resultTopic: renderTopic,
      resultProperties: {
        shared: sharedProperties(settings.rule, model.name),
        own: (id) => ({ [resultIdProperty]: id }),
      },
      identify: (message, device) => ids.of(message, device),
      recorder: createRecorder(settings, parts),
      deadLetters: deadLetterHandling(settings, parts),
      clock,
      log,
      // After the I/O of this turn: everything that one read brought is dispatched together.
      defer: (run) => void setImmediate(run),
      changed: parts.changed,
      probationDecided: parts.probationDecided,
    },
    {
      orderBy: settings.orderBy,
      queue: settings.queue,
      // With QoS 0 the sink gives up by itself what the broker does not take.
      holdsBack: settings.sink.qos === 1,
      batch: settings.batch,
      timeoutMs: settings.timeoutMs,
      probation: settings.probation,
      attempts: settings.attempts,
      sharesHost: sharesHost(model),
      retained: settings.source.retained,
    },
  )
}

/** Of all results of one version: encoded once, as long as they are one object. */
function sharedProperties(rule: string, model: string): ResultProperties['shared'] {
  let last: Readonly<Record<string, string>> = {}
  return (version) => {
    if (last['edgeboot-version'] !== version) {
      last = { 'edgeboot-rule': rule, 'edgeboot-model': model, 'edgeboot-version': version }
    }
    return last
  }
}

function createRecorder(
  { recorder, workers, batch }: EffectiveSettings,
  { log }: AssemblyParts,
): Recorder | undefined {
  if (recorder === undefined) return undefined
  const { file } = recorder
  const runners = Math.max(workers, 1)
  return new FileRecorder({ file, runners, batchSize: batch.size, pid: process.pid, log })
}

function deadLetterHandling(
  { rule, func, deadLetters }: EffectiveSettings,
  { model, clock, log }: AssemblyParts,
): DeadLetterHandling {
  const { store, topic } = deadLetters
  return {
    ...(store === undefined
      ? {}
      : { store: new SqliteDeadLetters({ settings: store, clock, log }) }),
    ...(topic === undefined
      ? {}
      : { topic: compileTopicTemplate(topic, { rule, model: model.name }) }),
    origin: { rule, func, model: model.name },
    newId: newLetterId,
    random: Math.random,
  }
}

function createSink(settings: EffectiveSettings, { clock, log }: AssemblyParts): Sink {
  const { queue, workers, batch } = settings
  // Runners are held back when the queue's worth of results waits; what they had by then must fit.
  // While the model is exchanged there are twice as many.
  const inRunnersMax = 2 * Math.max(workers, 1) * limits.runnerBatchesMax * batch.size
  const itemsMax = queue.whenFull === 'block' ? queue.size + inRunnersMax : queue.size
  const sink = createMqttSink(settings.sink, { clock, log, itemsMax, whenFull: queue.whenFull })
  const { spool, timeoutMs } = settings.sink
  if (spool === undefined) return sink
  return new SpoolingSink({
    inner: sink,
    settings: spool,
    clock,
    log,
    timeoutMs,
    itemsMax: queue.size,
  })
}

import type { PipelineSettings, Settings } from '../../config/settings.ts'
import { topicMatcher } from '../../core/mqtt-topic.ts'

/** Messages of one device on one topic of one broker. */
export interface Stream {
  /** Name of the broker in the configuration. */
  readonly broker: string
  readonly topic: string
  readonly device: string
  /** Whether each message gets readings of its own, or is as it was given. */
  readonly isGenerated: boolean
  /** What each message holds, besides its mark. */
  readonly event: Readonly<Record<string, unknown>>
}

/** Devices of a func that names none, and the most of one that names many. */
const devicesOfOurs = ['chaos-1', 'chaos-2', 'chaos-3', 'chaos-4'] as const
const devicesMax = 50
const pointsMax = 200

/**
 * Streams that a configuration might take: for each topic filter the devices that its funcs name,
 * with all points that the configuration names anywhere, in the shape of pyboot's messages. What a
 * condition in CEL or Python asks beyond that nobody can guess: for those there are samples.
 *
 * @param samples - Events of the user; each becomes a stream of its own on every topic.
 */
export function planStreams(
  { pipelines }: Pick<Settings, 'pipelines'>,
  samples: readonly Readonly<Record<string, unknown>>[],
): readonly Stream[] {
  const points = pointsOf(pipelines)
  const streams = new Map<string, Stream>()
  const add = (stream: Stream): void => {
    streams.set(JSON.stringify([stream.broker, stream.topic, stream.device]), stream)
  }
  for (const pipeline of pipelines) {
    const { broker, topic: filter } = pipeline.source
    if (samples.length === 0) {
      for (const device of devicesOf(pipeline)) {
        const topic = topicOf(filter, device)
        const event = generatedEvent(device, points)
        add({ broker: broker.name, topic, device, isGenerated: true, event })
      }
    }
    for (const [i, event] of samples.entries()) {
      const device = deviceNameOf(event) ?? `sample-${i + 1}`
      const topic = topicOf(filter, device)
      // Two samples of one device are one stream after the other: their numbers would be the same.
      const label = streams.has(JSON.stringify([broker.name, topic, device])) ? `-${i + 1}` : ''
      add({
        broker: broker.name,
        topic: label === '' ? topic : topicOf(filter, device + label),
        device: device + label,
        isGenerated: false,
        event,
      })
    }
  }
  return [...streams.values()]
}

/** The pipelines that get what is published on a topic of a broker. */
export function listeners(
  pipelines: readonly PipelineSettings[],
  stream: Pick<Stream, 'broker' | 'topic'>,
): readonly PipelineSettings[] {
  return pipelines.filter(
    ({ source }) =>
      source.broker.name === stream.broker && topicMatcher(source.topic)(stream.topic),
  )
}

/** A topic that a filter takes: wildcards become the device, which therefore may not be cut up. */
function topicOf(filter: string, device: string): string {
  const level = device.replaceAll(/[/+#\0]/g, '-')
  const levels = filter.split('/')
  if (levels[0] === '$share') levels.splice(0, 2)
  return levels.map((part) => (part === '+' || part === '#' ? level : part)).join('/')
}

function devicesOf({ devices }: PipelineSettings): readonly string[] {
  const named = devices.flatMap(({ attributes }) =>
    attributes.filter(({ name }) => name === 'deviceName').map(({ value }) => value),
  )
  return named.length === 0 ? devicesOfOurs : [...new Set(named)].slice(0, devicesMax)
}

function pointsOf(pipelines: readonly PipelineSettings[]): readonly string[] {
  const named = pipelines.flatMap(({ devices }) =>
    devices.flatMap(({ attributes }) =>
      attributes.filter(({ name }) => name === 'pointName').map(({ value }) => value),
    ),
  )
  return [...new Set([...named, 'temperature'])].slice(0, pointsMax)
}

function generatedEvent(device: string, points: readonly string[]): Record<string, unknown> {
  const readings = points.map((point) => [point, 0] as const)
  return {
    deviceInfo: { deviceName: device, edgeDeviceName: 'chaos', topic: 'chaos' },
    telemetry: { ts: 0, ...Object.fromEntries(readings) },
    model_data: { window: 'short', trend_model_data: [] },
  }
}

function deviceNameOf(event: Readonly<Record<string, unknown>>): string | undefined {
  const info = event['deviceInfo']
  if (typeof info !== 'object' || info === null || !('deviceName' in info)) return undefined
  return typeof info.deviceName === 'string' ? info.deviceName : undefined
}

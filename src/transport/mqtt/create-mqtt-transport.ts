/** Where MQTT transports get the session that stands behind them. */
import type { SinkSettings, SourceSettings, WhenFull } from '../../config/settings.ts'
import type { Clock } from '../../core/clock.ts'
import { limits } from '../../core/limits.ts'
import type { Logger } from '../../core/log.ts'
import type { Source, WithdrawableSink } from '../transport.ts'
import { AbandonedSessions, type AbandonedSessionsSettings } from './abandoned-sessions.ts'
import { MqttSink } from './mqtt-sink.ts'
import { MqttSource } from './mqtt-source.ts'
import { openSocketSession } from './socket-session.ts'

/** What a transport needs besides its settings. */
export interface TransportParts {
  readonly clock: Clock
  readonly log: Logger
  /** Source in [0, 1) for jitter; default `Math.random`. */
  readonly random?: () => number
}

/** What a sink needs besides: how much may wait for the broker. */
export interface SinkParts extends TransportParts {
  readonly itemsMax: number
  /** Payload bytes; default {@link limits.queueBytesMax}. */
  readonly bytesMax?: number
  readonly whenFull: WhenFull
}

/** Makes a source of MQTT messages. Acquires nothing; `start` does. */
export function createMqttSource(settings: SourceSettings, parts: TransportParts): Source {
  const { clock, log, random = Math.random } = parts
  return new MqttSource(settings, { clock, log, random, openSession: openSocketSession })
}

/** Makes a sink of MQTT messages. Acquires nothing; `start` does. */
export function createMqttSink(settings: SinkSettings, parts: SinkParts): WithdrawableSink {
  const { clock, log, random = Math.random, itemsMax, whenFull } = parts
  const { bytesMax = limits.queueBytesMax } = parts
  const bounds = { itemsMax, bytesMax, whenFull }
  return new MqttSink(settings, bounds, { clock, log, random, openSession: openSocketSession })
}

/** Makes the sweep of sessions that nobody uses any more. Acquires nothing; `start` does. */
export function createAbandonedSessions(
  options: AbandonedSessionsSettings & TransportParts,
): AbandonedSessions {
  const { clock, log, random = Math.random } = options
  return new AbandonedSessions(options, { clock, log, random, openSession: openSocketSession })
}

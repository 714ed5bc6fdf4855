import type { EffectiveSettings } from '../../src/config/settings.ts'
import { brokerSettings } from './broker-settings.ts'

/** Settings of a pipeline that takes everything, but for what the test says. */
export function pipelineSettings(more: Partial<EffectiveSettings> = {}): EffectiveSettings {
  const broker = brokerSettings('mqtt://127.0.0.1:1883', { name: 'b1' })
  return {
    name: 'sub_process_b1_echo_0',
    rule: 'echo',
    func: 'echo',
    source: {
      broker,
      clientId: 'in',
      qos: 0,
      sessionExpirySeconds: 0,
      window: 1000,
      // Not a folder on any machine: a test with QoS 1 has to say where.
      recordsFolder: '/dev/null/sessions',
      topic: 'in/#',
      retained: true,
    },
    sink: { broker, clientId: 'out', qos: 0, topic: 'out', timeoutMs: 10_000 },
    model: { name: 'echo' },
    devices: [],
    orderBy: 'device',
    queue: { size: 1000, whenFull: 'drop-oldest' },
    workers: 1,
    batch: { size: 64, delayMs: 0 },
    timeoutMs: 10_000,
    attempts: 3,
    deadLetters: {},
    params: {},
    env: {},
    ...more,
  }
}

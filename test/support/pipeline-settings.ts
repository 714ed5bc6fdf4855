import type { BrokerSettings, PipelineSettings } from '../../src/config/settings.ts'

/** A broker that nobody connects to, but for what the test says. */
export function brokerSettings(more: Partial<BrokerSettings> = {}): BrokerSettings {
  return {
    name: 'b1',
    url: 'mqtt://127.0.0.1:1883',
    qos: 0,
    retain: false,
    protocol: 'auto',
    keepAliveSeconds: 60,
    connectTimeoutMs: 5000,
    ...more,
  }
}

/** Settings of a pipeline that takes everything, but for what the test says. */
export function pipelineSettings(more: Partial<PipelineSettings> = {}): PipelineSettings {
  const broker = brokerSettings()
  return {
    name: 'sub_process_b1_echo_0',
    rule: 'echo',
    source: { broker, clientId: 'in', topic: 'in/#', retained: true },
    sink: { broker, clientId: 'out', topic: 'out', timeoutMs: 10_000 },
    model: { name: 'echo' },
    devices: [],
    orderBy: 'device',
    queue: { size: 1000, whenFull: 'drop-oldest' },
    workers: 1,
    batch: { size: 64, delayMs: 0 },
    timeoutMs: 10_000,
    attempts: 3,
    params: {},
    env: {},
    ...more,
  }
}

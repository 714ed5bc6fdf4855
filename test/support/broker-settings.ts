import type { BrokerSettings } from '../../src/config/settings.ts'

/** Settings of a broker with defaults that suit a test. */
export function brokerSettings(
  url: string,
  overrides: Partial<BrokerSettings> = {},
): BrokerSettings {
  return {
    name: 'plant',
    url,
    qos: 0,
    retain: false,
    protocol: 'auto',
    keepAliveSeconds: 60,
    connectTimeoutMs: 10_000,
    ...overrides,
  }
}

import { resolve, dirname } from 'node:path'
import { topicFault } from '../core/mqtt-topic.ts'
import { readBrokerUrl } from './broker-url.ts'
import type { ConfigPath } from './config-node.ts'
import { parseDurationMs } from './duration.ts'
import type { PlanContext } from './plan-context.ts'
import { readSecret } from './plan-secret.ts'
import type { NativeConfig } from './schema.ts'
import type { BrokerSettings, TlsSettings, WillSettings } from './settings.ts'

type NativeBroker = NativeConfig['mqtts'][number]

/** Decides what the brokers of a configuration are, by name. */
export function planBrokers(context: PlanContext): Map<string, BrokerSettings> {
  const brokers = new Map<string, BrokerSettings>()
  context.config.mqtts.forEach((native, index) => {
    const path = ['mqtts', index]
    const broker = planBroker(context, native, path)
    if (broker !== undefined) brokers.set(native.name, broker)
  })
  return brokers
}

function planBroker(
  context: PlanContext,
  native: NativeBroker,
  path: ConfigPath,
): BrokerSettings | undefined {
  const credentials = planCredentials(context, native, path)
  const tls = planTls(context, native, path)
  const will = planWill(context, native, path)
  const address = readBrokerUrl(native.broker)
  if (!address.ok) {
    context.error([...path, 'broker'], address.message, address.suggestion)
    return undefined
  }
  if (tls !== undefined && !address.secure) {
    const message = 'tls has no effect on an address that is not encrypted'
    context.error([...path, 'tls'], message, 'begin the address with mqtts:// or wss://')
  }
  const inUrl = address.username !== undefined || address.password !== undefined
  if (inUrl && (credentials.username !== undefined || credentials.password !== undefined)) {
    const message = 'user name and password stand in the address and beside it'
    context.error([...path, 'broker'], message, 'keep username and passwordFile')
  }
  const username = credentials.username ?? address.username
  const password = credentials.password ?? address.password
  if (password !== undefined && username === undefined) {
    context.error(path, 'a password needs a user name', 'add username')
  }
  checkQos(context, native, path)
  return {
    name: native.name,
    url: address.url,
    qos: native.qos ?? 0,
    retain: native.retain ?? false,
    protocol: native.protocol ?? 'auto',
    keepAliveSeconds: planKeepAlive(context, native, path),
    connectTimeoutMs: parseDurationMs(native.connectTimeout ?? '10s') ?? 10_000,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
    ...(will === undefined ? {} : { will }),
  }
}

/** What a quality of service cannot keep, and what has no effect with it. */
function checkQos(context: PlanContext, native: NativeBroker, path: ConfigPath): void {
  const qos = native.qos ?? 0
  if (qos === 2) {
    const message =
      'qos 2 is served as 1, at least once: exactly-once between two MQTT ends would not outlive a crash of either'
    const suggestion = 'repeats bear the same edgeboot-id; write 1 to be rid of this warning'
    context.warning([...path, 'qos'], message, suggestion)
  }
  if (qos !== 0 && /^embedded:/i.test(native.broker)) {
    const message = `the broker inside edgeboot keeps qos ${qos} messages in memory: they are gone when edgeboot stops`
    context.warning([...path, 'broker'], message, 'for trials only')
  }
  if (native.sessionExpiry === undefined) return
  if (qos === 0) {
    const message = 'sessionExpiry has no effect with qos 0: the broker keeps nothing'
    context.warningAtKey(path, 'sessionExpiry', message)
  } else if (native.protocol === '3.1.1') {
    const message =
      'sessionExpiry has no effect with protocol 3.1.1: how long the broker keeps a session is set there'
    context.warningAtKey(path, 'sessionExpiry', message)
  }
}

/** MQTT counts it in whole seconds, in two bytes. */
function planKeepAlive(context: PlanContext, native: NativeBroker, path: ConfigPath): number {
  const seconds = (parseDurationMs(native.keepAlive ?? '60s') ?? 60_000) / 1000
  if (seconds > 65_535) {
    context.error([...path, 'keepAlive'], 'keepAlive must be at most 65535 seconds')
  }
  return Math.ceil(seconds)
}

function planCredentials(
  context: PlanContext,
  native: NativeBroker,
  path: ConfigPath,
): { readonly username?: string; readonly password?: string } {
  const { username } = native
  const password = readSecret(context, path, {
    key: 'password',
    value: native.password,
    file: native.passwordFile,
  })
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  }
}

function planTls(
  context: PlanContext,
  { tls }: NativeBroker,
  path: ConfigPath,
): TlsSettings | undefined {
  if (tls === undefined) return undefined
  const folder = dirname(context.surroundings.file)
  if (tls.insecure === true) {
    context.warning([...path, 'tls', 'insecure'], 'the certificate of the broker is not checked')
  }
  if ((tls.certFile === undefined) !== (tls.keyFile === undefined)) {
    context.error([...path, 'tls'], 'certFile and keyFile belong together', 'give both or none')
  }
  return {
    insecure: tls.insecure ?? false,
    ...(tls.caFile === undefined ? {} : { caFile: resolve(folder, tls.caFile) }),
    ...(tls.certFile === undefined ? {} : { certFile: resolve(folder, tls.certFile) }),
    ...(tls.keyFile === undefined ? {} : { keyFile: resolve(folder, tls.keyFile) }),
    ...(tls.serverName === undefined ? {} : { serverName: tls.serverName }),
  }
}

function planWill(
  context: PlanContext,
  { will }: NativeBroker,
  path: ConfigPath,
): WillSettings | undefined {
  if (will === undefined) return undefined
  const fault = topicFault(will.topic)
  if (fault !== undefined) context.error([...path, 'will', 'topic'], `the topic ${fault}`)
  return {
    topic: will.topic,
    payload: will.payload ?? '',
    qos: will.qos ?? 0,
    retain: will.retain ?? false,
  }
}

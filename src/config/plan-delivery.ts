import type { ConfigPath } from './config-node.ts'
import type { PlanContext } from './plan-context.ts'
import { parseKeptForMs } from './schema-fields.ts'
import type { NativeConfig } from './schema.ts'
import type { BrokerSettings } from './settings.ts'

type NativeRule = NativeConfig['rules'][number]

/** 7 days. */
const sessionExpirySecondsDefault = 7 * 24 * 60 * 60

/** What a broker's quality of service comes to: QoS 2 is served as 1, which `planBrokers` tells. */
export function servedQos(broker: BrokerSettings): 0 | 1 {
  return broker.qos === 0 ? 0 : 1
}

/** For how long a broker is asked to keep a session; 0 with QoS 0. */
export function sessionExpirySeconds(context: PlanContext, broker: BrokerSettings): number {
  if (broker.qos === 0) return 0
  const native = context.config.mqtts.find(({ name }) => name === broker.name)
  const configured = native?.sessionExpiry
  const ms = configured === undefined ? undefined : parseKeptForMs(configured)
  return ms === undefined ? sessionExpirySecondsDefault : Math.ceil(ms / 1000)
}

/** Tells what of a rule works against the quality of service of its brokers. */
export function checkDelivery(
  context: PlanContext,
  rule: NativeRule,
  brokers: { readonly source: BrokerSettings; readonly sink: BrokerSettings },
  path: ConfigPath,
): void {
  if (brokers.source.qos !== 0) checkKept(context, rule, brokers.source, path)
  if (brokers.sink.qos === 0) checkUnconfirmed(context, rule, brokers.sink, path)
}

/** The input broker keeps what is not acknowledged. */
function checkKept(
  context: PlanContext,
  rule: NativeRule,
  { qos }: BrokerSettings,
  path: ConfigPath,
): void {
  const whenFull = rule.queue?.whenFull
  if (whenFull !== undefined && whenFull !== 'block') {
    const message = `what ${whenFull} drops is lost in spite of qos ${qos}: it is acknowledged and counted, not kept by the broker`
    const suggestion = 'block leaves it with the broker until there is room'
    context.warning([...path, 'queue', 'whenFull'], message, suggestion)
  }
  if (rule.name === undefined && rule.sub.clientId === undefined) {
    const message =
      'the rule has neither a name nor sub.clientId, so the broker knows it by its place in this list: a rule put before it would take over its messages'
    context.warning(path, message, 'add name')
  }
}

/** Nothing tells whether the output broker got a result, so none is kept for it. */
function checkUnconfirmed(
  context: PlanContext,
  { spool }: NativeRule,
  { name }: BrokerSettings,
  path: ConfigPath,
): void {
  if (spool === undefined || spool === false) return
  const message = `spool has no effect: the output broker ${JSON.stringify(name)} has qos 0, so nothing tells whether a result arrived`
  context.warningAtKey(path, 'spool', message, `set qos: 1 on ${name}, or leave spool out`)
}

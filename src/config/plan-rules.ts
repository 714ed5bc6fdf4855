import { join } from 'node:path'
import { limits } from '../core/limits.ts'
import { topicFault, topicFilterFault, topicMatcher } from '../core/mqtt-topic.ts'
import { parseTopicTemplate } from '../core/topic-template.ts'
import { ClientIds } from './client-ids.ts'
import type { ConfigPath } from './config-node.ts'
import { parseDurationMs } from './duration.ts'
import { nearestWord } from './nearest-word.ts'
import type { PlanContext } from './plan-context.ts'
import { checkDelivery, servedQos, sessionExpirySeconds } from './plan-delivery.ts'
import type { FuncPlan } from './plan-funcs.ts'
import { planDeadLetters } from './plan-dead-letters.ts'
import { planSpool } from './plan-spool.ts'
import type { NativeConfig } from './schema.ts'
import type { BrokerSettings, PipelineSettings } from './settings.ts'
import { pipelineFileName, recorderFolder, sessionsFolder } from './state-folder.ts'

type NativeRule = NativeConfig['rules'][number]

/** How often an event whose runner died is tried, when the configuration does not say. */
const attemptsDefault = 3

/** Messages that can be told apart: MQTT numbers them in two bytes, without 0. */
const windowMax = 65_535

/** What the rules of a configuration refer to. */
export interface RuleSurroundings {
  readonly brokers: ReadonlyMap<string, BrokerSettings>
  readonly funcs: ReadonlyMap<string, FuncPlan>
  /** Absolute. */
  readonly stateFolder: string
}

/** Decides the pipelines: rule by rule, and within a rule func by func. */
export function planRules(
  context: PlanContext,
  surroundings: RuleSurroundings,
): PipelineSettings[] {
  return new RulePlanner(context, surroundings).plan()
}

class RulePlanner {
  readonly #context: PlanContext
  readonly #brokers: ReadonlyMap<string, BrokerSettings>
  readonly #funcs: ReadonlyMap<string, FuncPlan>
  readonly #stateFolder: string
  readonly #generated: ClientIds
  readonly #pipelines: PipelineSettings[] = []
  readonly #usedFuncs = new Set<string>()
  /** Lines of client ids by broker address and id. */
  readonly #clients = new Map<string, number>()
  /** How many pipelines begin with a name, for the number at its end. */
  readonly #names = new Map<string, number>()

  constructor(context: PlanContext, { brokers, funcs, stateFolder }: RuleSurroundings) {
    this.#context = context
    this.#brokers = brokers
    this.#funcs = funcs
    this.#stateFolder = stateFolder
    this.#generated = new ClientIds(context, stateFolder)
  }

  plan(): PipelineSettings[] {
    const { rules } = this.#context.config
    // Rules that hold mistakes are not planned: then there is more to say than that there are none.
    if (rules.length === 0 && this.#context.findings.errors.length === 0) {
      this.#context.warning(['rules'], 'there is no rule: nothing will run')
    }
    rules.forEach((rule, index) => this.#rule(rule, index))
    this.#context.config.funcs.forEach((func, index) => {
      const name = func.name ?? func.modelName
      if (rules.length === 0 || this.#usedFuncs.has(name)) return
      this.#context.warning(['funcs', index], `no rule uses the func ${JSON.stringify(name)}`)
    })
    return this.#pipelines
  }

  #rule(rule: NativeRule, index: number): void {
    const path = ['rules', index]
    const name = rule.name ?? `rule-${index + 1}`
    this.#checkTopics(rule, path)
    const source = this.#broker(rule.sub.name, [...path, 'sub', 'name'])
    const sink = this.#broker(rule.pub.name, [...path, 'pub', 'name'])
    const funcs = this.#ruleFuncs(rule, path)
    if (source === undefined || sink === undefined) return
    checkDelivery(this.#context, rule, { source, sink }, path)
    if (source.url === sink.url) this.#checkLoops(rule, path)
    for (const func of funcs) {
      this.#checkTemplate(rule, func, path)
      const isOnly = funcs.length === 1
      this.#pipelines.push(this.#pipeline({ rule, name, func, isOnly, source, sink, path }))
    }
  }

  #pipeline(parts: {
    rule: NativeRule
    name: string
    func: FuncPlan
    isOnly: boolean
    source: BrokerSettings
    sink: BrokerSettings
    path: ConfigPath
  }): PipelineSettings {
    const { rule, name, func, source, sink, path } = parts
    const { group, topic } = rule.sub
    const clientIds = this.#clientIds(parts)
    // Generated ids differ as long as rules do, and rules of one name have been told already.
    if (rule.sub.clientId !== undefined) {
      this.#claimClientId(source, clientIds.source, [...path, 'sub', 'clientId'])
    }
    if (rule.pub.clientId !== undefined) {
      this.#claimClientId(sink, clientIds.sink, [...path, 'pub', 'clientId'])
    }
    const queueSize = rule.queue?.size ?? limits.queueItemsDefault
    const spool = planSpool(rule.spool, { rule: name, func: func.name, sink }, this.#stateFolder)
    return {
      name: this.#processName(rule.sub.name, func.pipeline.model.name),
      rule: name,
      func: func.name,
      source: {
        broker: source,
        clientId: clientIds.source,
        qos: servedQos(source),
        sessionExpirySeconds: sessionExpirySeconds(this.#context, source),
        window: Math.min(queueSize, windowMax),
        recordsFolder: sessionsFolder(this.#stateFolder),
        topic: group === undefined ? topic : `$share/${group}/${topic}`,
        retained: rule.sub.retained ?? true,
      },
      sink: {
        broker: sink,
        clientId: clientIds.sink,
        qos: servedQos(sink),
        topic: rule.pub.topic,
        timeoutMs: parseDurationMs(rule.pub.timeout ?? '10s') ?? 10_000,
        ...(spool === undefined ? {} : { spool }),
      },
      ...(servedQos(source) === 1 ? { recorder: { file: this.#recorderFile(parts) } } : {}),
      ...func.pipeline,
      orderBy: rule.orderBy ?? 'device',
      queue: {
        size: queueSize,
        whenFull: rule.queue?.whenFull ?? (source.qos === 0 ? 'drop-oldest' : 'block'),
      },
      attempts: rule.onError?.attempts ?? attemptsDefault,
      deadLetters: planDeadLetters(
        rule.onError,
        { rule: name, func: func.name },
        this.#stateFolder,
      ),
    }
  }

  /** The input broker too: what is told of its messages is of no use for those of another. */
  #recorderFile({ name, func, source }: { name: string; func: FuncPlan; source: BrokerSettings }) {
    const file = pipelineFileName([name, func.name, source.name], 'rec')
    return join(recorderFolder(this.#stateFolder), file)
  }

  /** As pyboot names its process; the number counts those of the same name before. */
  #processName(broker: string, model: string): string {
    const prefix = `sub_process_${broker}_${model}`
    for (let count = this.#names.get(prefix) ?? 0; ; count++) {
      const name = `${prefix}_${count}`
      if (this.#names.has(name)) continue
      this.#names.set(prefix, count + 1)
      // A prefix may itself look like a numbered name.
      this.#names.set(name, this.#names.get(name) ?? 0)
      return name
    }
  }

  /**
   * Every pipeline has two connections of its own, so one id cannot serve several funcs. Where the
   * broker keeps a session, the id does not depend on whether the rule has other funcs: it would
   * change with them, and the broker would keep messages for a client that never comes back.
   */
  #clientIds(parts: {
    rule: NativeRule
    name: string
    func: FuncPlan
    isOnly: boolean
    source: BrokerSettings
    sink: BrokerSettings
  }): { source: string; sink: string } {
    const { rule, name, func, isOnly, source, sink } = parts
    const isPlain = isOnly && source.qos === 0
    const own = (configured: string | undefined, role: 'in' | 'out'): string => {
      if (configured === undefined) {
        const qos = servedQos(role === 'in' ? source : sink)
        return this.#generated.generate(qos, { rule: name, func: func.name, role })
      }
      return isPlain ? configured : `${configured}-${func.name}`
    }
    return { source: own(rule.sub.clientId, 'in'), sink: own(rule.pub.clientId, 'out') }
  }

  #claimClientId(broker: BrokerSettings, clientId: string, path: ConfigPath): void {
    // An embedded broker on a free port is a broker of its own.
    const place = broker.url.endsWith(':0') ? broker.name : broker.url
    const key = JSON.stringify([place, clientId])
    const { line } = this.#context.at(path)
    const earlier = this.#clients.get(key)
    if (earlier === undefined) {
      this.#clients.set(key, line)
      return
    }
    const message = `the client id ${JSON.stringify(clientId)} is used in line ${earlier} too, at the same broker: the two would throw each other out`
    this.#context.error(
      path,
      message,
      'give each connection an id of its own, or leave clientId out',
    )
  }

  #checkTopics(rule: NativeRule, path: ConfigPath): void {
    const { topic, group } = rule.sub
    const fault = topicFilterFault(topic)
    if (fault !== undefined) this.#context.error([...path, 'sub', 'topic'], `the topic ${fault}`)
    if (group !== undefined) {
      const groupPath = [...path, 'sub', 'group']
      if (topic.startsWith('$share/')) {
        this.#context.error(
          groupPath,
          'the topic names a group already',
          'take $share/… off the topic',
        )
      } else if (/[/+#]/.test(group)) {
        this.#context.error(groupPath, 'a group has no /, + or # in its name')
      }
    }
    this.#checkTopic(rule.pub.topic, [...path, 'pub', 'topic'])
    this.#checkTopic(rule.onError?.deadLetter, [...path, 'onError', 'deadLetter'])
  }

  /** Both ends are at one broker. */
  #checkLoops({ sub, pub, onError }: NativeRule, path: ConfigPath): void {
    if (sub.topic === pub.topic) {
      const message = 'results go to the topic that events come from: each one is an event again'
      this.#context.warning([...path, 'pub', 'topic'], message)
    }
    const deadLetter = onError?.deadLetter
    if (deadLetter === undefined || topicFilterFault(sub.topic) !== undefined) return
    if (topicMatcher(sub.topic)(withoutTemplate(deadLetter))) {
      const message = 'dead letters go to where events come from: each one is an event again'
      this.#context.warning([...path, 'onError', 'deadLetter'], message)
    }
  }

  #checkTopic(template: string | undefined, path: ConfigPath): void {
    const fault = template === undefined ? undefined : topicFault(withoutTemplate(template))
    if (fault !== undefined) this.#context.error(path, `the topic ${fault}`)
  }

  #checkTemplate(rule: NativeRule, func: FuncPlan, path: ConfigPath): void {
    if (func.pipeline.devices.length > 0) return
    const name = JSON.stringify(func.name)
    for (const [template, key] of [
      [rule.pub.topic, ['pub', 'topic']],
      [rule.onError?.deadLetter, ['onError', 'deadLetter']],
    ] as const) {
      if (template?.includes('${device}') !== true) continue
      const message = `the topic asks for \${device}, but the func ${name} names no devices`
      const suggestion = 'add devices to the func, or use ${topic[N]}'
      this.#context.error([...path, ...key], message, suggestion)
    }
  }

  #broker(name: string, path: ConfigPath): BrokerSettings | undefined {
    const broker = this.#brokers.get(name)
    if (broker === undefined && !this.#context.known.brokers.includes(name)) {
      this.#unknown('broker', name, this.#context.known.brokers, path)
    }
    return broker
  }

  #ruleFuncs(rule: NativeRule, path: ConfigPath): FuncPlan[] {
    const names = rule.funcs ?? [...this.#funcs.keys()]
    const seen = new Set<string>()
    return names.flatMap((name, index) => {
      const func = this.#funcs.get(name)
      const funcPath = [...path, 'funcs', index]
      this.#usedFuncs.add(name)
      if (func === undefined) {
        const known = this.#context.known.funcs
        if (!known.includes(name)) this.#unknown('func', name, known, funcPath)
        return []
      }
      if (seen.has(name)) {
        this.#context.error(funcPath, `the func ${JSON.stringify(name)} is named twice`, 'keep one')
        return []
      }
      seen.add(name)
      return [func]
    })
  }

  #unknown(what: string, name: string, known: readonly string[], path: ConfigPath): void {
    const meant = nearestWord(name, known)
    const hint =
      meant === undefined ? `known: ${known.join(', ') || 'none'}` : `did you mean ${meant}?`
    this.#context.error(path, `no ${what} is called ${JSON.stringify(name)}`, hint)
  }
}

/** A template with something harmless in place of what is filled in later. */
function withoutTemplate(topic: string): string {
  const parts = parseTopicTemplate(topic)
  return parts.map((part) => (typeof part === 'string' ? part : 'x')).join('')
}

import { isDeepStrictEqual } from 'node:util'
import type { BrokerSettings, PipelineSettings, Settings } from './settings.ts'

/** What a changed configuration asks of a running instance. Pipelines are in the order of the file. */
export interface SettingsDiff {
  /** As they run. */
  readonly unchanged: readonly PipelineSettings[]
  /** As they are to be, under the name that they have where that still fits. */
  readonly changed: readonly PipelineSettings[]
  readonly added: readonly PipelineSettings[]
  /** As they run. */
  readonly removed: readonly PipelineSettings[]
  /** `changed` or `added`, but they need a broker that only a restart starts: left as they are. */
  readonly postponed: readonly PipelineSettings[]
  /** Keys of the configuration whose change takes effect with a restart, such as `web.port`. */
  readonly needsRestart: readonly string[]
}

/** Names a pipeline over changes of everything else: its rule and its func. */
export function pipelineKey({ rule, func }: Pick<PipelineSettings, 'rule' | 'func'>): string {
  return JSON.stringify([rule, func])
}

/**
 * Compares what runs with what a file says now. Pipelines are compared by value, brokers and secrets
 * included, but not by name: `sub_process_…_1` may be `…_2` because a rule was put in front, and
 * that is no reason to restart it. So it keeps the name that it has.
 *
 * @param running - What is in effect.
 * @param loaded - The file, planned with the state folder and the models folder that are in use.
 * @param asked - The file as it stands, for what needs a restart.
 */
export function compareSettings(
  running: Settings,
  loaded: Settings,
  asked: Settings,
): SettingsDiff {
  const before = new Map(running.pipelines.map((pipeline) => [pipelineKey(pipeline), pipeline]))
  const embedded = new Map(running.brokers.filter(isEmbedded).map(({ name, url }) => [name, url]))
  const unchanged: PipelineSettings[] = []
  const changed: PipelineSettings[] = []
  const added: PipelineSettings[] = []
  const postponed: PipelineSettings[] = []
  for (const pipeline of keepNames(before, loaded.pipelines)) {
    const was = before.get(pipelineKey(pipeline))
    if (was !== undefined && isDeepStrictEqual(was, pipeline)) unchanged.push(was)
    else if (!hasBrokers(pipeline, embedded)) postponed.push(was ?? pipeline)
    else if (was === undefined) added.push(pipeline)
    else changed.push(pipeline)
  }
  const kept = new Set(loaded.pipelines.map(pipelineKey))
  const removed = running.pipelines.filter((pipeline) => !kept.has(pipelineKey(pipeline)))
  const needsRestart = keysThatNeedRestart(running, asked)
  return { unchanged, changed, added, removed, postponed, needsRestart }
}

/** What is applied to pipelines, one by one or through their brokers; all else is read at the start alone. */
const appliedKeys: ReadonlySet<string> = new Set(['file', 'pipelines', 'brokers'])

function keysThatNeedRestart(running: Settings, asked: Settings): string[] {
  const keys = changedKeys({ ...running }, { ...asked }).filter(
    (key) => !appliedKeys.has(key.split('.', 1)[0] ?? ''),
  )
  const embeddedOf = ({ brokers }: Settings): object =>
    brokers.filter(isEmbedded).map(({ name, url }) => [name, url])
  return isDeepStrictEqual(embeddedOf(running), embeddedOf(asked)) ? keys : [...keys, 'mqtts']
}

/** Paths of what differs, two levels deep: their values may be secrets and stay here. */
function changedKeys(before: object, after: object, path = ''): string[] {
  const old = new Map<string, unknown>(Object.entries(before))
  const now = new Map<string, unknown>(Object.entries(after))
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((key) => {
    const [was, is] = [old.get(key), now.get(key)]
    if (isDeepStrictEqual(was, is)) return []
    const isNested = path === '' && isPlain(was) && isPlain(is)
    return isNested ? changedKeys(was, is, `${key}.`) : [`${path}${key}`]
  })
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isEmbedded({ url }: BrokerSettings): boolean {
  return url.startsWith('embedded:')
}

function hasBrokers(
  { source, sink }: PipelineSettings,
  embedded: ReadonlyMap<string, string>,
): boolean {
  return [source.broker, sink.broker].every(
    (broker) => !isEmbedded(broker) || embedded.get(broker.name) === broker.url,
  )
}

function keepNames(
  before: ReadonlyMap<string, PipelineSettings>,
  pipelines: readonly PipelineSettings[],
): PipelineSettings[] {
  const kept = new Map<PipelineSettings, string>()
  for (const pipeline of pipelines) {
    const was = before.get(pipelineKey(pipeline))
    if (was !== undefined && stem(was.name) === stem(pipeline.name)) kept.set(pipeline, was.name)
  }
  const taken = new Set(kept.values())
  return pipelines.map((pipeline) => {
    const name = kept.get(pipeline) ?? freeName(pipeline.name, taken)
    taken.add(name)
    return { ...pipeline, name }
  })
}

function stem(name: string): string {
  return name.replace(/\d+$/, '')
}

function freeName(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name
  for (let count = 0; ; count++) {
    const other = `${stem(name)}${count}`
    if (!taken.has(other)) return other
  }
}

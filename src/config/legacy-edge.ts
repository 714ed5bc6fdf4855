import { isDottedPythonName } from '../core/python-name.ts'
import {
  list,
  map,
  scalar,
  setKey,
  textOf,
  type ConfigNode,
  type MapNode,
  type ScalarNode,
} from './config-node.ts'
import type { Findings } from './finding.ts'
import { nearestWord } from './nearest-word.ts'

/** What pyboot prefixed the modules under its models folder with. */
const modulePrefix = 'pyboot.modules.gridsum.science.'

const edgeKeys = [
  'name',
  'instance',
  'edge_mode',
  'pre_broker',
  'pre_port',
  'pre_topic',
  'pre_qos',
  'post_broker',
  'post_port',
  'post_topic',
  'post_qos',
]

/**
 * Translates v0, in place: every entry of `edge` becomes a rule with a func of its own, and the
 * brokers that it needs, named after it. `edge_mode` names a Python module and a function of one
 * argument in it; `instance` is the number of workers.
 *
 * @returns Whether there was an `edge` section.
 */
export function translateEdges(root: MapNode, findings: Findings): boolean {
  const edge = root.entries.get('edge')
  if (edge === undefined) return false
  root.entries.delete('edge')
  if (edge.value.kind !== 'list') {
    findings.error(edge.value.at, 'edge', 'edge is a list', 'begin each entry with a dash')
    return true
  }
  const sections = new Sections(root, edge.at, findings)
  edge.value.items.forEach((item, index) => {
    const path = `edge[${index}]`
    if (item.kind === 'map') new EdgeTranslation(item, path, findings, sections).run()
    else
      findings.error(
        item.at,
        path,
        'an entry of edge is a map',
        'give it name, edge_mode, pre_… and post_… keys',
      )
  })
  return true
}

/** The native sections that edges are added to. */
class Sections {
  readonly mqtts: ConfigNode[]
  readonly rules: ConfigNode[]
  readonly funcs: ConfigNode[]
  /** Module by model name. */
  readonly modules = new Map<string, string>()

  constructor(root: MapNode, at: ConfigNode['at'], findings: Findings) {
    const section = (key: string): ConfigNode[] => {
      const existing = root.entries.get(key)?.value
      if (existing?.kind === 'list') return existing.items
      if (existing !== undefined) findings.error(existing.at, key, `${key} is a list`)
      const items: ConfigNode[] = []
      setKey(root, key, list(at, items))
      return items
    }
    this.mqtts = section('mqtts')
    this.rules = section('rules')
    this.funcs = section('funcs')
  }
}

class EdgeTranslation {
  readonly #edge: MapNode
  readonly #path: string
  readonly #findings: Findings
  readonly #sections: Sections

  constructor(edge: MapNode, path: string, findings: Findings, sections: Sections) {
    this.#edge = edge
    this.#path = path
    this.#findings = findings
    this.#sections = sections
  }

  run(): void {
    this.#refuseUnknownKeys()
    const name = this.#required('name')
    const mode = this.#required('edge_mode')
    const preBroker = this.#required('pre_broker')
    const preTopic = this.#required('pre_topic')
    const postBroker = this.#required('post_broker')
    const postTopic = this.#required('post_topic')
    if (!name || !mode || !preBroker || !preTopic || !postBroker || !postTopic) return
    const source = this.#broker('pre', preBroker)
    const sink = this.#broker('post', postBroker)
    this.#sections.mqtts.push(source.withName(name))
    let sinkName: ScalarNode = name
    if (sink.key !== source.key) {
      sinkName = { ...name, ...suffixed(name, '-out') }
      this.#sections.mqtts.push(sink.withName(sinkName))
    }
    const func = this.#func(name, mode)
    if (func === undefined) return
    this.#sections.funcs.push(func)
    this.#sections.rules.push(
      map(this.#edge.at, {
        name,
        sub: map(preTopic.at, { name, topic: preTopic }),
        pub: map(postTopic.at, { name: sinkName, topic: postTopic }),
        funcs: list(name.at, [name]),
      }),
    )
  }

  #refuseUnknownKeys(): void {
    for (const [key, entry] of this.#edge.entries) {
      if (edgeKeys.includes(key)) continue
      const meant = nearestWord(key, edgeKeys)
      const hint =
        meant === undefined ? `an edge takes ${edgeKeys.join(', ')}` : `did you mean ${meant}?`
      this.#findings.error(entry.at, this.#path, `unknown key ${JSON.stringify(key)}`, hint)
    }
  }

  #get(key: string): ConfigNode | undefined {
    const node = this.#edge.entries.get(key)?.value
    return node?.kind === 'scalar' && node.value === null ? undefined : node
  }

  #required(key: string): ScalarNode | undefined {
    const node = this.#get(key)
    if (node?.kind === 'scalar' && node.text !== '') return node
    const at = node?.at ?? this.#edge.at
    this.#findings.error(
      at,
      this.#path,
      node === undefined ? `${key} is missing here` : `${key} must be text`,
    )
    return undefined
  }

  #broker(
    side: 'pre' | 'post',
    host: ScalarNode,
  ): { key: string; withName(name: ScalarNode): MapNode } {
    const port = this.#get(`${side}_port`)
    const qos = this.#get(`${side}_qos`)
    const isZero = textOf(qos) === undefined || textOf(qos) === '0'
    const [text, source] = [(host: ScalarNode) => host.text, (host: ScalarNode) => host.source].map(
      (part) => {
        const portText = port?.kind === 'scalar' ? `:${part(port)}` : ''
        return `tcp://${part(host)}${portText}`
      },
    )
    const address = scalar(host.at, text ?? '', source)
    return {
      key: `${text} ${textOf(qos) ?? '0'}`,
      withName: (name) => map(host.at, { name, broker: address, qos: isZero ? undefined : qos }),
    }
  }

  #func(name: ScalarNode, mode: ScalarNode): MapNode | undefined {
    const dotted = mode.text.startsWith(modulePrefix)
      ? mode.text.slice(modulePrefix.length)
      : mode.text
    if (!dotted.includes('.') || !isDottedPythonName(dotted)) {
      this.#findings.error(
        mode.at,
        `${this.#path}.edge_mode`,
        `edge_mode must be a Python module and a function in it, not ${JSON.stringify(mode.text)}`,
        `such as ${modulePrefix}industry.telemetry.telm_temperature`,
      )
      return undefined
    }
    const modelName = this.#modelName(dotted)
    const instance = this.#get('instance')
    return map(this.#edge.at, {
      name: name.text === modelName ? undefined : name,
      modelName: scalar(mode.at, modelName),
      module: scalar(mode.at, dotted),
      workers: instance,
    })
  }

  /** The function's name; the whole dotted name when another module has a function of that name. */
  #modelName(dotted: string): string {
    const short = dotted.slice(dotted.lastIndexOf('.') + 1)
    const known = this.#sections.modules.get(short)
    if (known !== undefined && known !== dotted) return dotted
    this.#sections.modules.set(short, dotted)
    return short
  }
}

function suffixed(name: ScalarNode, suffix: string): Pick<ScalarNode, 'value' | 'text' | 'source'> {
  return { value: name.text + suffix, text: name.text + suffix, source: name.source + suffix }
}

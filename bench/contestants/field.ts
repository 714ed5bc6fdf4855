import { basename, resolve } from 'node:path'
import type { Contestant } from './contestant.ts'
import { startEcho } from './echo-process.ts'
import { builtMain } from '../built-edgeboot.ts'
import { startEdgeboot } from './edgeboot.ts'

/** How edgeboot is measured, by the kind of contestant. */
const variants = {
  qos0: { qos: 0, workers: 1 },
  qos1: { qos: 1, workers: 1 },
  'qos0-inline': { qos: 0, workers: 0 },
  'qos1-inline': { qos: 1, workers: 0 },
} as const

/** What it is held against. */
const echoes = {
  'mqttjs-deferred': { qos: 1, script: 'mqttjs-echo' },
  raw0: { qos: 0, script: 'raw-echo' },
  raw1: { qos: 1, script: 'raw-echo' },
} as const

type VariantKind = keyof typeof variants
type EchoKind = keyof typeof echoes

/** A kind of contestant. */
export type Kind = VariantKind | EchoKind

/** What can be measured, in the order in which it is, with a line about each for the help text. */
export const kindTexts: Readonly<Record<Kind, string>> = {
  qos0: 'edgeboot, QoS 0 to QoS 0, a JavaScript model in its thread',
  qos1: 'edgeboot, QoS 1 to QoS 1, the same',
  'qos0-inline': "edgeboot, QoS 0 to QoS 0, the model in the host's own thread (workers: 0)",
  'qos1-inline': 'edgeboot, QoS 1 to QoS 1, the same',
  'mqttjs-deferred': 'MQTT.js echo, QoS 1 to QoS 1, acknowledging after the result is confirmed',
  raw0: 'echo on bare sockets, QoS 0 to QoS 0',
  raw1: 'echo on bare sockets, QoS 1 to QoS 1, acknowledging after the result is confirmed',
}

/** Their names, in that order. */
export const kinds = Object.keys(kindTexts) as Kind[]

/**
 * The contestants of a run. Those of edgeboot are entered once per checkout, and bear the name of
 * its folder when there are several; each is held against the qos0 of its own checkout, the
 * others against that of the first.
 *
 * @throws Error when a checkout is not built, or two have folders of one name.
 */
export function enter(chosen: readonly Kind[], checkouts: readonly string[]): Contestant[] {
  const several = checkouts.length > 1
  const entries = checkouts.map((path) => {
    return { main: builtMain(path), label: several ? `@${basename(resolve(path))}` : '' }
  })
  const labels = entries.map(({ label }) => label)
  if (new Set(labels).size < labels.length) {
    throw new Error(`two checkouts of one name: ${checkouts.join(', ')}`)
  }
  return kinds
    .filter((kind) => chosen.includes(kind))
    .flatMap((kind): Contestant[] => {
      if (isEcho(kind)) return [echo(kind, `qos0${labels[0]}`)]
      return entries.map(({ main, label }) => edgeboot(kind, main, label))
    })
}

function edgeboot(kind: VariantKind, main: string, label: string): Contestant {
  const variant = variants[kind]
  return {
    name: `${kind}${label}`,
    qos: variant.qos,
    reference: `qos0${kind.endsWith('-inline') ? '-inline' : ''}${label}`,
    start: (port, folder, signal) => startEdgeboot(main, variant, port, folder, signal),
  }
}

function echo(kind: EchoKind, reference: string): Contestant {
  const { qos, script } = echoes[kind]
  return {
    name: kind,
    qos,
    reference,
    start: (port, _folder, signal) => startEcho(script, qos, port, signal),
  }
}

function isEcho(kind: Kind): kind is EchoKind {
  return kind in echoes
}

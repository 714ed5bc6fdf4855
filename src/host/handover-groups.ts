import { pipelineKey } from '../config/compare-settings.ts'
import type { PipelineSettings } from '../config/settings.ts'

/** Pipelines that change together: each may wait for another to give up a client id or a file. */
export interface HandoverGroup {
  readonly removed: readonly PipelineSettings[]
  readonly changed: readonly PipelineSettings[]
  readonly added: readonly PipelineSettings[]
}

/** What changes, and what runs now. */
export interface HandoverParts extends HandoverGroup {
  readonly running: readonly PipelineSettings[]
}

/**
 * Divides changes into groups that do not touch each other. Nearly always each pipeline is a group
 * of its own; where a client id or a spool moves from one to another, such as with a rule that is
 * renamed, the two are together, and all of them have to let go before one takes hold.
 */
export function handoverGroups({
  running,
  removed,
  changed,
  added,
}: HandoverParts): readonly HandoverGroup[] {
  const leaving = new Set([...removed, ...changed].map(pipelineKey))
  const holders = new Map<string, string>()
  for (const pipeline of running) {
    const key = pipelineKey(pipeline)
    if (!leaving.has(key)) continue
    for (const claim of claims(pipeline)) holders.set(claim, key)
  }
  const groups = new Groups()
  for (const pipeline of [...removed, ...changed, ...added]) groups.find(pipelineKey(pipeline))
  for (const pipeline of [...changed, ...added]) {
    for (const claim of claims(pipeline)) {
      const holder = holders.get(claim)
      if (holder !== undefined) groups.join(holder, pipelineKey(pipeline))
    }
  }
  const inGroup = (name: string) => (pipeline: PipelineSettings) =>
    groups.find(pipelineKey(pipeline)) === name
  return groups.names().map((name) => ({
    removed: removed.filter(inGroup(name)),
    changed: changed.filter(inGroup(name)),
    added: added.filter(inGroup(name)),
  }))
}

/** What only one pipeline may have at a time. */
function claims({ source, sink }: PipelineSettings): string[] {
  const clients = [source, sink].map(({ broker, clientId }) => {
    // The port of an embedded one may be 0: then its name tells it apart.
    const place = broker.url.startsWith('embedded:') ? broker.name : broker.url
    return JSON.stringify([place, clientId])
  })
  return sink.spool === undefined ? clients : [...clients, sink.spool.file]
}

/** Sets that are joined, by the name of one of theirs. */
class Groups {
  readonly #parents = new Map<string, string>()

  find(name: string): string {
    const parent = this.#parents.get(name)
    if (parent === undefined) {
      this.#parents.set(name, name)
      return name
    }
    return parent === name ? name : this.find(parent)
  }

  join(one: string, other: string): void {
    this.#parents.set(this.find(one), this.find(other))
  }

  names(): string[] {
    return [...new Set([...this.#parents.keys()].map((name) => this.find(name)))]
  }
}

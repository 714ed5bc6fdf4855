import { fstatSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import type { PipelineStats } from '../pipeline/pipeline-stats.ts'
import { HostChannel, hostFault, type HostChannelOptions } from './host-channel.ts'
import { fromHost, toHost, type FromHost, type ToHost } from './host-messages.ts'

/** Bytes that may wait for a main process that does not read; log lines beyond them are dropped. */
const backlogBytesMax = 1024 ** 2
/** Every type of message that there is. */
const typesToHost: Readonly<Record<ToHost['type'], true>> = {
  start: true,
  go: true,
  stats: true,
  trail: true,
  swap: true,
  replay: true,
  stop: true,
}
/** How long the last message may take to leave. */
const lastWordMs = 3000

/** What a host does with what it hears. */
export type ParentChannelOptions = Pick<HostChannelOptions<ToHost>, 'received' | 'broke' | 'ended'>

/**
 * A host's end of the channel. A main process that does not read, such as a stopped one, costs log
 * lines, which are counted, and heartbeats; never a state or an answer.
 */
export class ParentChannel {
  readonly #channel: HostChannel<ToHost, FromHost>
  #linesLost = 0

  constructor(socket: Duplex, options: ParentChannelOptions) {
    this.#channel = new HostChannel(socket, {
      ...options,
      incoming: toHost,
      outgoing: fromHost,
      parse: parseToHost,
    })
    socket.on('drain', () => this.#reportLost())
  }

  tell(message: FromHost): void {
    this.#channel.send(message)
  }

  /** Tells a line of the log if there is room. */
  log(line: FromHost & { readonly type: 'log' }): void {
    const hasRoom = this.#channel.waitingBytes <= backlogBytesMax
    if (!hasRoom || !this.#channel.send(line)) this.#linesLost += 1
  }

  /** Tells the counts, unless those before are still waiting. */
  beat(stats: () => PipelineStats): void {
    if (this.#channel.waitingBytes > 0) return
    this.#reportLost()
    this.tell({ type: 'stats', stats: stats() })
  }

  /** Tells one last message. `left` is called once: when it has left, or takes too long. */
  sayLast(message: FromHost, left: () => void): void {
    const late = setTimeout(left, lastWordMs)
    this.#channel.send(message, () => {
      clearTimeout(late)
      left()
    })
  }

  #reportLost(): void {
    const lines = this.#linesLost
    if (lines === 0) return
    this.#linesLost = 0
    this.tell({ type: 'log', level: 'warn', event: 'host.lines-lost', fields: { lines } })
  }
}

/** Whether a descriptor can be the channel: a file that is run by hand has another or none there. */
export function isChannel(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isSocket()
  } catch {
    return false
  }
}

/** The main process is trusted; what a model left of its message, having read the rest, is not. */
function parseToHost(body: Record<string, unknown>): ToHost {
  const { type } = body
  if (typeof type !== 'string' || !Object.hasOwn(typesToHost, type)) {
    throw hostFault('it was sent a message of an unknown type')
  }
  return body as unknown as ToHost
}

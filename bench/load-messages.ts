/** What the measuring process and its load process say to each other. */

/** To the load process. */
export type ToLoad =
  | { readonly type: 'rate'; readonly perSecond: number }
  /** Asks for the counts so far; latencies are those since the last time. */
  | { readonly type: 'count' }
  /** Publishes no more, and asks for the counts once every result is there, or none comes. */
  | { readonly type: 'finish' }

/** From the load process. */
export type FromLoad = { readonly type: 'ready' } | ({ readonly type: 'counts' } & LoadCounts)

/** What went in and what came out. */
export interface LoadCounts {
  readonly sent: number
  readonly received: number
  /** Results that came twice, or after a later one of their device. */
  readonly disordered: number
  /** Results with another QoS than the contestant is to publish with. */
  readonly wrongQos: number
  /** From just before a message is written to the result in hand; whole milliseconds. */
  readonly p50Ms: number
  readonly p99Ms: number
}

import type { DropReason } from '../../pipeline/pipeline-stats.ts'

/** One thing that is to come of a message in a pipeline. */
interface Expectation {
  readonly pipeline: number
  /** Whose order it belongs to: a device entry of the func, and a stream. */
  readonly lane: string
  readonly message: number
  readonly device: string | undefined
  arrivals: number
  isDead: boolean
}

/** A result that is to come. */
export interface ExpectedResult {
  readonly id: string
  readonly lane: string
  /** The device entry that takes the message. */
  readonly device: string | undefined
}

/** Events that a pipeline counted as dropped and of which nothing is left to be found, by reason. */
export type Drops = Readonly<Partial<Record<DropReason, number>>>

/** What became of everything that one pipeline was sent. */
export interface PipelineAccount {
  readonly pipeline: string
  /** Events: a message that fits two devices is two. */
  readonly sent: number
  readonly delivered: number
  readonly deadLettered: number
  /** By reason. */
  readonly dropped: Readonly<Record<string, number>>
  readonly lost: number
  /** Some of the lost, as `device/seq`. */
  readonly lostExamples: readonly string[]
  /** First results of a device that came after one with a higher number, as `device/seq`. */
  readonly inversions: readonly string[]
  /** Results beyond the first of each event. */
  readonly duplicates: number
}

const examplesMax = 5

/**
 * The books of a chaos run: what was sent to whom, what came of it, and what is missing. Pure.
 *
 * A result is known by its `edgeboot-id`, which the run can work out as edgeboot does; a dead letter
 * by the mark in its payload. What has neither must be in the pipeline's own counts.
 */
export class ChaosLedger {
  readonly #pipelines: readonly string[]
  /** How the messages are called in examples. */
  readonly #nameOf: (message: number) => string
  readonly #byId = new Map<string, Expectation>()
  readonly #byMessage = new Map<string, Expectation[]>()
  /** Events that no result is to come of, by pipeline: their number. */
  readonly #filtered: number[]
  readonly #highest = new Map<string, number>()
  readonly #inversions: string[][]
  #expected = 0
  #arrived = 0
  /** Dead letters of what has not arrived. */
  #dead = 0
  #unknown = 0

  constructor(pipelines: readonly string[], nameOf: (message: number) => string) {
    this.#pipelines = pipelines
    this.#nameOf = nameOf
    this.#filtered = pipelines.map(() => 0)
    this.#inversions = pipelines.map(() => [])
  }

  /**
   * A message is to come out of a pipeline, as a result or as a dead letter.
   *
   * @param results - One for each device that takes it; none when it is no event.
   */
  expect(pipeline: number, message: number, results: readonly ExpectedResult[]): void {
    const key = keyOf(pipeline, message)
    this.#expected += Math.max(results.length, 1)
    const make = (lane: string, device: string | undefined): Expectation => {
      const expectation = { pipeline, lane, message, device, arrivals: 0, isDead: false }
      const others = this.#byMessage.get(key)
      if (others === undefined) this.#byMessage.set(key, [expectation])
      else others.push(expectation)
      return expectation
    }
    if (results.length === 0) make('', undefined)
    for (const { id, lane, device } of results) this.#byId.set(id, make(lane, device))
  }

  /** Events of a message that a pipeline is to filter. */
  expectFiltered(pipeline: number, events: number): void {
    this.#filtered[pipeline] = (this.#filtered[pipeline] ?? 0) + events
  }

  /** A result came. @returns The message that it is of, the first time. */
  collected(id: string): { pipeline: number; message: number } | undefined {
    const found = this.#byId.get(id)
    if (found === undefined) {
      this.#unknown += 1
      return undefined
    }
    found.arrivals += 1
    if (found.arrivals > 1) return undefined
    this.#arrived += 1
    if (found.isDead) this.#dead -= 1
    const { pipeline, message } = found
    const lane = `${pipeline} ${found.lane}`
    const highest = this.#highest.get(lane) ?? -1
    if (message < highest) this.#inversions[pipeline]?.push(this.#nameOf(message))
    else this.#highest.set(lane, message)
    return { pipeline, message }
  }

  /** A dead letter of an event is in the store of a pipeline, perhaps told before. */
  deadLettered(pipeline: number, message: number, device: string | undefined): void {
    const all = this.#byMessage.get(keyOf(pipeline, message)) ?? []
    const dead = all.find((each) => each.device === device)
    if (dead === undefined || dead.isDead) return
    dead.isDead = true
    if (dead.arrivals === 0) this.#dead += 1
  }

  /** Results and dead letters that are to come. */
  get expected(): number {
    return this.#expected
  }

  /** Of those, how many have come so far, as the one or the other. */
  get settled(): number {
    return this.#arrived + this.#dead
  }

  /** Different results that came so far. */
  get arrived(): number {
    return this.#arrived
  }

  /** Results of nothing that was sent: of rules that read the results of others. */
  get unknown(): number {
    return this.#unknown
  }

  /**
   * The account of each pipeline.
   *
   * @param dropsOf - What it counted over all kills. With at least once it may have counted an event
   * twice, so a count explains no more events than are missing.
   */
  accounts(dropsOf: (pipeline: string) => Drops): readonly PipelineAccount[] {
    return this.#pipelines.map((name, pipeline) => this.#account(name, pipeline, dropsOf(name)))
  }

  #account(name: string, pipeline: number, drops: Drops): PipelineAccount {
    const mine = [...this.#byMessage.values()].flat().filter((each) => each.pipeline === pipeline)
    const delivered = mine.filter(({ arrivals }) => arrivals > 0)
    const dead = mine.filter(({ arrivals, isDead }) => arrivals === 0 && isDead)
    const missing = mine.filter(({ arrivals, isDead }) => arrivals === 0 && !isDead)
    const filtered = this.#filtered[pipeline] ?? 0
    let left = missing.length + filtered
    const dropped: Record<string, number> = {}
    for (const [reason, count] of Object.entries(drops)) {
      const taken = Math.min(count, left)
      if (taken > 0) dropped[reason] = taken
      left -= taken
    }
    return {
      pipeline: name,
      sent: mine.length + filtered,
      delivered: delivered.length,
      deadLettered: dead.length,
      dropped,
      lost: left,
      lostExamples: missing
        .slice(0, Math.min(left, examplesMax))
        .map((each) => this.#nameOf(each.message)),
      inversions: this.#inversions[pipeline] ?? [],
      duplicates: delivered.reduce((sum, { arrivals }) => sum + arrivals - 1, 0),
    }
  }
}

function keyOf(pipeline: number, message: number): string {
  return `${pipeline}/${message}`
}

import { Writable } from 'node:stream'
import { PriorityGroup, type Starter } from '../boot/starter.ts'
import type { StarterContext } from '../boot/starter-context.ts'
import type { Timer } from '../core/clock.ts'
import type { SystemView } from '../host/system-view.ts'
import { embeddedBrokersKey, systemViewKey, webAddressKey } from '../starters/services.ts'
import { renderTable, type TableRow } from './live-table.ts'

/** The part of a terminal that is used. */
export type Terminal = NodeJS.WriteStream

/** How often the table is drawn anew, milliseconds: in place on a terminal, else as lines. */
const refreshMs = { terminal: 1000, lines: 5000 } as const
const columnsElsewhere = 200

/**
 * The screen of the demo: the table of what flows, redrawn in place on a terminal and printed now
 * and then elsewhere. Log lines go above the table. Ends the demo when its time is over.
 */
export class DemoScreen implements Starter {
  readonly name = 'demo-screen'
  /** Below the pipelines: it shows their last counts when they are down. */
  readonly priorityGroup = PriorityGroup.App
  readonly priority = 1
  readonly blocking = false
  readonly #out: Terminal
  readonly #seconds: number | undefined
  #context: StarterContext | undefined
  #rows: readonly TableRow[] = []
  #readAt = 0
  #drawnLines = 0
  #introduced = false
  #timers: Timer[] = []

  constructor(options: { stdout: Terminal; seconds: number | undefined }) {
    this.#out = options.stdout
    this.#seconds = options.seconds
  }

  /** Where the log writes while the table is on the screen. */
  readonly logStream: Writable = new Writable({
    decodeStrings: false,
    write: (chunk: string | Buffer, _encoding, done) => {
      this.#erase()
      this.#out.write(chunk)
      this.#draw()
      done()
    },
  })

  /** Results that came out of all pipelines, as far as the table knows. */
  get published(): number {
    return this.#rows.reduce((sum, { stats }) => sum + stats.published, 0)
  }

  init(): void {}
  setup(): void {}

  start(context: StarterContext): void {
    this.#context = context
    const { clock } = context
    this.#readAt = clock.monotonic()
    this.#schedule()
    if (this.#seconds === undefined) return
    const seconds = this.#seconds
    const end = clock.after(seconds * 1000, () =>
      context.requestStop(`the ${seconds} seconds of the demo are over`),
    )
    this.#timers.push(end)
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) timer.cancel()
    this.#timers = []
    await this.#refresh()
    this.#drawnLines = 0
  }

  /** The last words, when everything is down. */
  summarize(sent: number): void {
    const reasons = this.#rows.flatMap(({ stats }) => Object.entries(stats.dropped))
    const without = reasons.reduce((sum, [, events]) => sum + events, 0)
    this.#out.write(
      `\n${sent.toLocaleString('en-US')} messages sent, ` +
        `${this.published.toLocaleString('en-US')} results published, ` +
        `${without.toLocaleString('en-US')} events without a result, each counted by its reason\n`,
    )
  }

  #headline(context: StarterContext): string {
    const brokers = [...context.get(embeddedBrokersKey).values()].map(({ url }) => url)
    const web = context.find(webAddressKey)
    const lines = [
      'edgeboot demo: a simulated plant, an embedded broker, a Python and a TypeScript model',
      `  broker   ${brokers.join(', ')}   (see it: mosquitto_sub -p ${new URL(brokers[0] ?? 'mqtt://x').port} -t 'plant/#' -v)`,
    ]
    if (web !== undefined) {
      lines.push(`  queues   ${web}/queue_size_metrics`)
      lines.push(`  status   ${web}/`)
    }
    lines.push(this.#seconds === undefined ? '  Ctrl-C ends it' : `  ends in ${this.#seconds} s`)
    return lines.join('\n')
  }

  #schedule(): void {
    const context = this.#context
    if (context === undefined || context.signal.aborted) return
    const everyMs = this.#out.isTTY ? refreshMs.terminal : refreshMs.lines
    const timer = context.clock.after(everyMs, () => {
      if (context.signal.aborted) return // `stop` draws the last one
      void this.#refresh().then(() => this.#schedule())
    })
    this.#timers = [...this.#timers.slice(-1), timer]
  }

  async #refresh(): Promise<void> {
    const view = this.#context?.find(systemViewKey)
    if (view === undefined || this.#context === undefined) return
    await this.#read(view, this.#context.clock.monotonic())
    this.#erase()
    // Not before the first table: the web server, which starts last, has an address by then.
    if (!this.#introduced) this.#out.write(`${this.#headline(this.#context)}\n\n`)
    this.#introduced = true
    this.#draw()
    if (!this.#out.isTTY) this.#print()
  }

  async #read(view: SystemView, now: number): Promise<void> {
    const stats = await view.stats()
    const seconds = Math.max((now - this.#readAt) / 1000, 0.001)
    const before = new Map(this.#rows.map((row) => [row.status.name, row.stats.published]))
    this.#readAt = now
    this.#rows = view.pipelines().flatMap((status) => {
      const counts = stats.get(status.name)
      if (counts === undefined) return []
      const published = counts.published - (before.get(status.name) ?? 0)
      return [{ status, stats: counts, perSecond: published / seconds }]
    })
  }

  #print(): void {
    const lines = renderTable(this.#rows, columnsElsewhere)
    this.#out.write(`${lines.join('\n')}\n\n`)
  }

  #erase(): void {
    if (!this.#out.isTTY || this.#drawnLines === 0) return
    this.#out.moveCursor(0, -this.#drawnLines)
    this.#out.cursorTo(0)
    this.#out.clearScreenDown()
    this.#drawnLines = 0
  }

  #draw(): void {
    if (!this.#out.isTTY || this.#rows.length === 0) return
    const lines = renderTable(this.#rows, this.#out.columns)
    this.#drawnLines = lines.length
    this.#out.write(`${lines.join('\n')}\n`)
  }
}

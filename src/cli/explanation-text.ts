import type { ExplainStep, PipelineExplanation, RunningFacts } from '../host/explanation.ts'
import type { DropReason } from '../pipeline/pipeline-stats.ts'
import type { TrailEntry } from '../pipeline/trail.ts'
import { displayWidth, withoutColours, wrapText } from './display-width.ts'

/** How an explanation is shown. */
export interface ExplanationTextOptions {
  /** Milliseconds since 1970, for ages. */
  readonly now: number
  /** Of the terminal; `Infinity` elsewhere: lines are not broken. */
  readonly columns: number
  readonly colours: boolean
  /** Whether the last endings are listed one by one. */
  readonly listsLast: boolean
}

/** Pipelines that a message does not come to, and that are named. */
const elsewhereMax = 10
/** Device entries that do not fit and are shown. */
const failingMax = 5
/** Lines never get narrower, whatever the terminal says. */
const columnsMin = 40

/**
 * An explanation as a person reads it on a terminal: pipelines that take part first, each with its
 * steps, what comes of the message, and where the last ones ended; then those that it does not come
 * to. Pure; whatever would steer the terminal is taken out.
 */
export function explanationText(
  answer: { readonly from: string; readonly pipelines: readonly PipelineExplanation[] },
  options: ExplanationTextOptions,
): string {
  const page = new Page(options)
  const here = answer.pipelines.filter(({ verdict }) => verdict !== 'elsewhere')
  const elsewhere = answer.pipelines.filter(({ verdict }) => verdict === 'elsewhere')
  if (answer.pipelines.length === 0) page.line('', 'There are no pipelines.')
  for (const pipeline of here) page.pipeline(pipeline)
  if (here.length === 0 && elsewhere.length > 0)
    page.line('', 'No pipeline subscribes to this topic.')
  page.elsewhere(elsewhere)
  page.line('', page.dim(`from ${answer.from}`))
  return page.text
}

/** What the reasons mean that a message meets before the model; of the others the counts speak. */
const reasonTexts: Readonly<Partial<Record<DropReason, string>>> = {
  retained: 'the rule leaves out retained messages',
  decode: 'the payload is no event',
  device: 'no device entry of the func fits',
  when: 'the condition does not hold',
  broken: 'the pipeline is BROKEN',
}

class Page {
  readonly #options: ExplanationTextOptions
  readonly #columns: number
  readonly #lines: string[] = []

  constructor(options: ExplanationTextOptions) {
    this.#options = options
    this.#columns = Math.max(options.columns, columnsMin)
  }

  get text(): string {
    return this.#lines.join('\n')
  }

  /** @param head - Before the text, which is broken into lines under itself. */
  line(head: string, text: string): void {
    const indent = displayWidth(withoutColours(head))
    const [first = '', ...more] = wrapText(text, this.#columns - indent)
    this.#lines.push(`${head}${first}`.trimEnd())
    for (const line of more) this.#lines.push(`${' '.repeat(indent)}${line}`)
  }

  dim(text: string): string {
    return this.#paint(90, text)
  }

  pipeline(explanation: PipelineExplanation): void {
    const { running } = explanation
    const name = this.#paint(1, nameOf(explanation))
    this.line(running === undefined ? name : `${name}   `, this.#state(running))
    this.#steps(explanation)
    this.#verdict(explanation)
    if (running !== undefined) this.#running(explanation, running)
    this.#lines.push('')
  }

  elsewhere(pipelines: readonly PipelineExplanation[]): void {
    if (pipelines.length === 0) return
    this.line('', 'Not for:')
    for (const pipeline of pipelines.slice(0, elsewhereMax)) {
      const why = pipeline.steps[0]?.text ?? pipeline.filter
      this.line('  ', `${nameOf(pipeline)}: ${clean(why)}`)
    }
    const more = pipelines.length - elsewhereMax
    if (more > 0) this.line('  ', `and ${count(more)} more`)
    this.#lines.push('')
  }

  #state(running: RunningFacts | undefined): string {
    if (running === undefined) return ''
    const { state, reason, received, published, spooled } = running
    const colour = state === 'READY' ? 32 : state === 'BROKEN' || state === 'BACKOFF' ? 31 : 33
    const waiting = spooled === 0 ? '' : `, ${count(spooled)} on the disk`
    const why = reason === '' ? '' : ` (${clean(reason)})`
    return `${this.#paint(colour, state)}${why}, ${count(received)} received, ${count(published)} published${waiting}`
  }

  #steps({ steps, entriesLeftOut }: PipelineExplanation): void {
    const failing = steps.filter(({ step, passed }) => step === 'device' && !passed)
    // One entry that fits is enough: then nobody asks why the others do not.
    const fits = steps.some(({ step, passed }) => step === 'device' && passed)
    const hidden = new Set(fits ? failing : failing.slice(failingMax))
    const entries = steps.filter((step) => step.step !== 'next' && !hidden.has(step))
    for (const step of entries) this.#step(step)
    const others = hidden.size + entriesLeftOut
    if (others > 0) {
      const text = others === 1 ? '1 more entry does' : `${count(others)} more entries do`
      this.line(' '.repeat(14), this.dim(`${text} not fit`))
    }
    for (const step of steps) if (step.step === 'next') this.#step(step)
  }

  #step({ step, passed, text, condition }: ExplainStep): void {
    const mark = passed ? this.#paint(32, '✔') : this.#paint(31, '✘')
    this.line(`  ${mark} ${step.padEnd(10)}`, clean(text))
    if (!passed && condition !== undefined) {
      this.line(' '.repeat(14), this.dim(`the file says: ${clean(condition)}`))
    }
  }

  #verdict({ verdict, reason, events, steps }: PipelineExplanation): void {
    const arrow = `  ${this.#paint(36, '→')} `
    if (verdict === 'dropped') {
      const text = reason === undefined ? undefined : reasonTexts[reason]
      this.line(
        arrow,
        `${this.#paint(31, `dropped: ${reason}`)}${text === undefined ? '' : `, ${text}`}`,
      )
    } else if (verdict === 'subscribed') {
      this.line(arrow, 'comes here; give the message as well to see what becomes of it')
    } else {
      const times = events === 1 ? '' : ` ${count(events)} times, once for each device`
      const stuck = steps.find(({ step, passed }) => step === 'next' && !passed)
      this.line(
        arrow,
        `${this.#paint(32, 'taken')}: goes to the model${times}${stuck === undefined ? '' : ', and then no further'}`,
      )
    }
  }

  #running({ isTopicMadeUp }: PipelineExplanation, facts: RunningFacts): void {
    const { dropped, deadLettered, trail } = facts
    const whose = isTopicMadeUp ? 'last of all topics' : 'last of this topic'
    const ended = listed(trail.byEnding)
    const [newest] = trail.last
    const latest =
      newest === undefined ? '' : ` (newest ${this.#age(newest.at)} ago: ${newest.ending})`
    const among = `none among the last ${count(trail.remembered)} events`
    this.line(`  ${whose}: `, ended === '' ? among : `${ended}${latest}`)
    if (this.#options.listsLast) for (const entry of trail.last) this.#ending(entry, isTopicMadeUp)
    const kept = deadLettered === 0 ? '' : `; ${count(deadLettered)} kept: edgeboot dlq list`
    this.line('  drops of all topics: ', `${listed(dropped) || 'none'}${kept}`)
    for (const [reason, why] of Object.entries(trail.reasons)) {
      this.line(`  last drop by ${reason}, `, `${this.#age(why.at)} ago: ${clean(why.text)}`)
    }
  }

  #ending({ at, ending, device, latencyMs, topic }: TrailEntry, showsTopic: boolean): void {
    const facts = [
      `${this.#age(at)} ago`.padStart(14),
      ending.padEnd(14),
      `${latencyMs.toFixed(1)} ms`.padStart(11),
      ...(device === undefined ? [] : [clean(device)]),
      ...(showsTopic ? [clean(topic)] : []),
    ]
    this.#lines.push(`  ${facts.join('  ')}`)
  }

  #age(at: number): string {
    const seconds = Math.max(0, Math.round((this.#options.now - at) / 1000))
    if (seconds < 120) return `${seconds} s`
    if (seconds < 7200) return `${Math.round(seconds / 60)} min`
    return seconds < 172_800
      ? `${Math.round(seconds / 3600)} h`
      : `${Math.round(seconds / 86_400)} d`
  }

  #paint(code: number, text: string): string {
    return this.#options.colours ? `\u001b[${code}m${text}\u001b[0m` : text
  }
}

function nameOf({ rule, func }: PipelineExplanation): string {
  return `rule ${clean(rule)} · func ${clean(func)}`
}

function listed(counts: Readonly<Partial<Record<string, number>>>): string {
  const entries = Object.entries(counts).sort(([, a = 0], [, b = 0]) => b - a)
  return entries.map(([name, events = 0]) => `${count(events)} ${name}`).join(', ')
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** Topics, reasons and values come from elsewhere: nothing in them steers the terminal. */
function clean(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
}

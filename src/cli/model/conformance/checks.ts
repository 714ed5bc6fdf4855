/** What `edgeboot model conformance` looks at, in the order of its lines. */
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeFrame, toRunner } from '../../../runtime/frame.ts'
import type { InferOutcome } from '../../../runtime/runner.ts'
import { batchItems, itemOf, outcomeText, type Bench } from './bench.ts'
import { Breach } from './breach.ts'
import type { Subject } from './subject.ts'

/** A part of the protocol. */
export interface Check {
  /** For programs. */
  readonly name: string
  readonly title: string
  /** Of `docs/runner-protocol.md`. */
  readonly section: 'Frames' | 'Order' | 'The mark'
  /** The check without which this one would say the same once more. */
  readonly needs?: string
  /** Says what it saw. @throws Breach */
  readonly run: (bench: Bench) => Promise<string>
}

const largeBytes = 1024 * 1024
/** Of the bytes that come one by one; the rest comes by a few. */
const singleBytes = 32
const fewBytes = 16
/** Between two writes: long enough for a program that waits to read what there is. */
const restMs = 2
/** For what nobody asked for to come. */
const quietMs = 100

const drainFrame = encodeFrame(toRunner.drain, new Uint8Array(0))

/** All checks. Those of one are never under way together. */
export const checks: readonly Check[] = [
  { name: 'ready', title: 'starts and says that it is ready', section: 'Order', run: ready },
  { name: 'answer', title: 'answers an event', section: 'Frames', needs: 'ready', run: answer },
  {
    name: 'batch',
    title: `answers a batch of ${batchItems} events, each with its own`,
    section: 'Frames',
    needs: 'answer',
    run: batch,
  },
  {
    name: 'strange',
    title: 'lives through events that are no objects',
    section: 'Frames',
    needs: 'answer',
    run: strange,
  },
  {
    name: 'large',
    title: 'answers an event of 1 MiB',
    section: 'Frames',
    needs: 'answer',
    run: large,
  },
  {
    name: 'pieces',
    title: 'reads frames that come in pieces',
    section: 'Frames',
    needs: 'answer',
    run: pieces,
  },
  {
    name: 'ahead',
    title: 'answers two batches that come at once, in their order',
    section: 'Order',
    needs: 'answer',
    run: ahead,
  },
  {
    name: 'unknown',
    title: 'ignores keys that it does not know',
    section: 'Frames',
    needs: 'answer',
    run: unknown,
  },
  { name: 'text', title: 'keeps text as it is', section: 'Frames', needs: 'answer', run: text },
  {
    name: 'drain',
    title: 'answers what came before a drain, and exits with 0',
    section: 'Order',
    needs: 'answer',
    run: drain,
  },
  {
    name: 'processes',
    title: 'leaves no process behind',
    section: 'Order',
    needs: 'drain',
    run: processes,
  },
  {
    name: 'end',
    title: 'exits at the end of its input',
    section: 'Order',
    needs: 'ready',
    run: endOfInput,
  },
  {
    name: 'mark',
    title: 'marks the event that it is on, if any',
    section: 'The mark',
    needs: 'answer',
    run: mark,
  },
]

async function ready(bench: Bench): Promise<string> {
  const before = performance.now()
  await using subject = await bench.start()
  const readyMs = Math.round(performance.now() - before)
  await subject.staysQuiet(quietMs)
  return `${readyMs} ms, ${subject.engine}`
}

async function answer(bench: Bench): Promise<string> {
  await using subject = await bench.start()
  const [outcome] = await subject.ask(bench.items(1))
  return outcomeText(outcome)
}

async function batch(bench: Bench): Promise<string> {
  const alone = await bench.alone()
  await using subject = await bench.start()
  const outcomes = await subject.ask(bench.items(batchItems))
  const { difference, isSteady } = await bench.compare(outcomes)
  if (difference !== undefined) throw new Breach(difference)
  if (!isSteady) return 'as many answers; which is whose is not seen, as they differ each time'
  if (alone.different > 1) return `as alone, ${alone.different} of them different`
  return 'all alike, so a mix-up is not seen: give events that are answered differently (--input)'
}

async function strange(bench: Bench): Promise<string> {
  await using subject = await bench.start()
  const outcomes: InferOutcome[] = []
  for (const event of ['"text"', 'null', '[]', '17', 'true', '{}']) {
    try {
      outcomes.push(...(await subject.ask([itemOf(event)])))
    } catch (thrown) {
      throw thrown instanceof Breach ? new Breach(`after ${event}: ${thrown.message}`) : thrown
    }
  }
  await subject.ask(bench.items(1))
  return counted(outcomes)
}

async function large(bench: Bench): Promise<string> {
  await using subject = await bench.start()
  const event = JSON.stringify({ text: 'x'.repeat(largeBytes) })
  const [outcome] = await subject.ask([itemOf(event)])
  return outcomeText(outcome)
}

async function pieces(bench: Bench): Promise<string> {
  await using subject = await bench.start()
  const [first, second, third] = [2, 1, 1].map((count) => subject.batch(bench.items(count)))
  if (!first || !second || !third) return ''
  for (let at = 0; at < first.frame.length;) {
    const bytes = at < singleBytes ? 1 : fewBytes
    subject.write(first.frame.subarray(at, at + bytes))
    at += bytes
    await sleep(restMs)
  }
  await first.answered()
  // A whole one with the beginning of the next behind it.
  subject.write(Buffer.concat([second.frame, third.frame.subarray(0, 3)]))
  await second.answered()
  subject.write(third.frame.subarray(3))
  await third.answered()
  return 'byte by byte, and with the next one’s first bytes behind it'
}

async function ahead(bench: Bench): Promise<string> {
  await using subject = await bench.start()
  const batches = [3, 2].map((count) => subject.batch(bench.items(count)))
  subject.write(Buffer.concat(batches.map(({ frame }) => frame)))
  for (const open of batches) await open.answered()
  return '3 and 2 events'
}

async function unknown(bench: Bench): Promise<string> {
  const later = { later: { than: ['this', 1, null] } }
  await using subject = await bench.start(later)
  const [outcome] = await subject.ask([itemOf('{"value":20}', later)])
  return `in start and context: ${outcomeText(outcome)}`
}

/** Between two words of ASCII, so that what has become of it is found wherever it is answered. */
const sentText = 'begin-of-text 设备 température 😀 \\ " \u0007 end-of-text'

async function text(bench: Bench): Promise<string> {
  await using subject = await bench.start()
  const [outcome] = await subject.ask([itemOf(JSON.stringify({ text: sentText, 设备: 'é' }))])
  if (outcome?.kind !== 'value') return `not compared: the answer was ${outcomeText(outcome)}`
  const answered = Buffer.from(outcome.payload).toString()
  if (!answered.includes('begin-of-text'))
    return 'not compared: the answer has no text of the event'
  if (answered.includes(sentText) || stringsIn(answered).some((one) => one.includes(sentText))) {
    return 'every character of it came back'
  }
  throw new Breach(`${JSON.stringify(sentText)} became ${outcomeText(outcome)}`)
}

async function drain(bench: Bench): Promise<string> {
  await using subject = await bench.start()
  const open = subject.batch(bench.items(8))
  subject.write(Buffer.concat([open.frame, drainFrame]))
  await open.answered()
  return `8 answers; ${await cleanExit(subject)}`
}

async function processes(bench: Bench): Promise<string> {
  await using subject = await bench.start()
  await subject.ask(bench.items(1))
  subject.write(drainFrame)
  await cleanExit(subject)
  const left = await subject.leftBehind()
  if (left === undefined) return 'not looked for: this system does not tell'
  if (left.length === 0) return 'its process group is empty'
  throw new Breach(`in its process group there still is ${left.join(', ')}`)
}

async function endOfInput(bench: Bench): Promise<string> {
  await using subject = await bench.start()
  subject.endInput()
  return (await subject.exit()).how
}

async function mark(bench: Bench): Promise<string> {
  await using subject = await bench.start()
  if (!subject.hasMark) return 'not looked at: no file could be made for it'
  const count = 3
  await subject.ask(bench.items(count))
  const progress = subject.progress()
  if (progress === undefined) return 'on none after the last'
  const { batchId, index } = progress
  if (batchId === 0 && index === 0) return 'it does not: its events are found by halving batches'
  if (batchId === 1 && index < count) return `batch ${batchId}, event ${index}`
  throw new Breach(
    `after batch 1 of ${count} events it names batch ${batchId}, event ${index}: are both words in the order of the machine?`,
  )
}

async function cleanExit(subject: Subject): Promise<string> {
  const { how, isClean } = await subject.exit()
  if (!isClean) throw new Breach(`${how} after the drain`)
  return how
}

function counted(outcomes: readonly InferOutcome[]): string {
  const of = (kind: InferOutcome['kind']): number =>
    outcomes.filter((outcome) => outcome.kind === kind).length
  return `values ${of('value')}, nothing ${of('empty')}, errors ${of('error')}`
}

/** Every string in a JSON text, keys too; none when it is no JSON. */
function stringsIn(json: string): string[] {
  const strings: string[] = []
  try {
    JSON.parse(json, (key, value: unknown) => {
      strings.push(key)
      if (typeof value === 'string') strings.push(value)
      return value
    })
  } catch {
    // Bytes of its own kind.
  }
  return strings
}

import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BenchBroker } from './broker.ts'
import { BuiltEdgeboot } from './built-edgeboot.ts'
import { NumberedFeed } from './numbered-feed.ts'
import { spread, type Spread } from './summary.ts'

/** Whose runner is ended, and how. */
export type Mortal = 'javascript' | 'python'

/** How long a model was away, milliseconds, and the longest that is allowed. */
export interface Recovery {
  readonly mortal: Mortal
  readonly awayMs: Spread
  readonly limitMs: number
  readonly kills: number
}

const models = { javascript: 'mortal', python: 'echo' } as const
const limitsMs = { javascript: 300, python: 1000 } as const
/** Between two events, from the end of the runner to the first answer. */
const everyMs = 5
/** From the last event of a mortal thread to its end: see the model. */
const threadEndMs = 10
/** Events that are answered before, so that nothing is done for the first time. */
const warmUpEvents = 50
/** One kill with all that is around it. */
const runMsMax = 60_000

/**
 * From the end of a runner to the first result of an event that was published after it, through broker
 * and edgeboot. A Python process gets SIGKILL. A thread cannot: its model ends it 10 ms after it was
 * given an event, and the time counts from 10 ms after that was published.
 *
 * Each kill has a fresh edgeboot: only after five healthy minutes would the next pause be the shortest again.
 */
export async function measureRecovery(
  main: string,
  mortal: Mortal,
  kills: number,
  stopped: AbortSignal,
): Promise<Recovery> {
  const times: number[] = []
  for (let kill = 0; kill < kills; kill++) {
    const signal = AbortSignal.any([stopped, AbortSignal.timeout(runMsMax)])
    times.push(await awayMs(main, mortal, signal))
  }
  return { mortal, awayMs: spread(times) as Spread, limitMs: limitsMs[mortal], kills }
}

async function awayMs(main: string, mortal: Mortal, signal: AbortSignal): Promise<number> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'edgeboot-bench-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const broker = stack.use(await BenchBroker.start(folder, ['set_tcp_nodelay true']))
  const model = models[mortal]
  const source = join(import.meta.dirname, 'models', model)
  await cp(source, join(folder, 'models', model), { recursive: true })
  const edgeboot = stack.use(
    await BuiltEdgeboot.start(main, folder, configuration(broker.port, model), signal),
  )
  const feed = stack.use(await NumberedFeed.open(broker.port, 'mortal'))
  const answerTo = (n: number): Promise<void> => answerFrom(feed, n, signal)

  for (let i = 0; i < warmUpEvents; i++) await answerTo(feed.send())
  let diedAt = performance.now()
  if (mortal === 'python') process.kill(edgeboot.runnerPid ?? 0, 'SIGKILL')
  else {
    await answerTo(feed.send({ die: true }))
    // Not earlier than this; and what is answered before it has ended is no recovery.
    diedAt += threadEndMs
    await sleep(2 * threadEndMs)
  }
  const back = answerTo(feed.send())
  const timer = setInterval(() => feed.send(), everyMs)
  await back.finally(() => clearInterval(timer))
  return performance.now() - diedAt
}

/** Resolves at the first result with this number or a higher one. */
function answerFrom(feed: NumberedFeed, first: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', stop, { once: true })
    feed.answered = (n) => {
      if (n < first) return
      signal.removeEventListener('abort', stop)
      resolve()
    }
  })
}

function configuration(port: number, model: string): string {
  return `mqtts: [{ name: plant, broker: "tcp://127.0.0.1:${port}", qos: 1 }]
rules:
  - { name: mortal, sub: { name: plant, topic: mortal/in }, pub: { name: plant, topic: mortal/out } }
funcs: [{ modelName: ${model} }]
`
}

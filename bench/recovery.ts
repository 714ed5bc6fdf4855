/**
 * How long a model is away when its runner is killed: from SIGKILL to the next answered event, for a
 * Python process and a JavaScript thread, the backoff of 0.2 s included. Run by hand:
 * `node bench/recovery.ts [kills]`.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../src/core/clock.ts'
import { EdgebootError } from '../src/core/errors.ts'
import { silentLogger } from '../src/core/log.ts'
import type { RuntimeKind } from '../src/models/model-package.ts'
import { RunnerPool } from '../src/pipeline/runner-pool.ts'
import { createRunner } from '../src/runtime/create-runner.ts'
import type { Runner, RunnerSpec } from '../src/runtime/runner.ts'

const kills = Number(process.argv[2] ?? 20)
const models: readonly { runtime: RuntimeKind; entry: string; text: string }[] = [
  {
    runtime: 'python',
    entry: 'index.py',
    text: 'def handler(event, context):\n    return event\n',
  },
  {
    runtime: 'javascript',
    entry: 'index.js',
    text: 'exports.handler = (event) => event\n',
  },
  {
    runtime: 'javascript',
    entry: 'index.ts',
    text: 'export const handler = (event: unknown): unknown => event\n',
  },
]

// The timers of a pool keep no process alive.
const alive = setInterval(() => {}, 1_000)
for (const { runtime, entry, text } of models) {
  const folder = await mkdtemp(join(tmpdir(), 'edgeboot-recovery-'))
  await writeFile(join(folder, entry), text)
  const spec: RunnerSpec = {
    pipeline: 'recovery',
    rule: 'recovery',
    model: {
      name: 'recovery',
      version: 'folder',
      runtime,
      folder,
      entryFile: join(folder, entry),
      modelsFolder: folder,
    },
    params: {},
    env: { PATH: process.env['PATH'] ?? '' },
  }
  const times: number[] = []
  for (let kill = 0; kill < kills; kill++) times.push(await recoveryMs(spec))
  times.sort((a, b) => a - b)
  const at = (share: number): string => (times[Math.floor((kills - 1) * share)] ?? 0).toFixed(0)
  process.stdout.write(
    `${runtime} ${entry}: least ${at(0)}, median ${at(0.5)}, most ${at(1)} ms (${kills} kills)\n`,
  )
  await rm(folder, { recursive: true })
}
clearInterval(alive)

/** A pool of its own for each kill, so that the backoff is always the first one. */
async function recoveryMs(spec: RunnerSpec): Promise<number> {
  let room = Promise.withResolvers<void>()
  let pid: number | undefined
  const pool = new RunnerPool({
    size: 1,
    create: (_index, listener) => createRunner(spec, listener, { clock: systemClock }),
    clock: systemClock,
    random: Math.random,
    log: {
      ...silentLogger,
      child: () => silentLogger,
      info: (_event, fields) => (pid = fields?.['runnerPid'] as number | undefined),
    },
    changed: () => {},
    room: () => room.resolve(),
  })
  pool.start()
  await room.promise
  await answer(pool.next()?.runner)
  room = Promise.withResolvers()
  const began = performance.now()
  if (pid === undefined) pool.next()?.runner.kill(new EdgebootError('RUNNER_EXITED', 'killed'))
  else process.kill(pid, 'SIGKILL')
  await room.promise
  await answer(pool.next()?.runner)
  const tookMs = performance.now() - began
  await pool.stop(1000)
  return tookMs
}

function answer(runner: Runner | undefined): Promise<void> {
  const item = { event: Buffer.from('{"n":1}'), context: Buffer.from('{}') }
  return new Promise((resolve, reject) => {
    runner?.infer([item], { outcomes: () => resolve(), lost: reject })
  })
}

/** Killing any process of edgeboot leaves none behind, of its own or of a model's: by process id. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { markIn } from '../../src/core/process-mark.ts'
import type { EdgebootProcess, LogLine } from '../support/edgeboot-process.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { needsPython } from '../support/python-interpreters.ts'
import { until } from '../support/wait.ts'
import { echoPython, Workbench } from '../support/workbench.ts'

const fixtures = join(import.meta.dirname, '..', 'fixtures', 'misbehaving')
const misbehave = '{"misbehave":true}'

/** Answers `misbehave` like `spawns`, and ends its thread at `exit`. */
const spawnsAndExits = `
import { spawn } from 'node:child_process'
export function handler(event) {
  if (event.exit) process.exit(3)
  const start = (detached) => spawn('sleep', ['600'], { stdio: 'ignore', detached }).pid
  return [start(false), start(true)]
}
`

/** Processes that carry the mark of a main process: its hosts, their runners, and what those started. */
function marked(mainPid: number): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const mark = markIn(readFileSync(`/proc/${name}/environ`, 'latin1'))
      return mark?.startsWith(`${mainPid}:`) ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

/** A zombie is no process any more: whoever has to take note of its end does so some time. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z'
  } catch {
    return false
  }
}

describe('with a Mosquitto', { skip: needsMosquitto || needsPython }, () => {
  let broker: Mosquitto
  let bench: Workbench
  let peer: MqttPeer
  let edgeboot: EdgebootProcess

  beforeEach(async () => {
    broker = await Mosquitto.start()
    bench = await Workbench.open()
    peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`)
    await peer.subscribe('out/#')
    await bench.write(
      'models/forks/index.py',
      await readFile(join(fixtures, 'python/forks/index.py'), 'utf8'),
    )
    await bench.write('models/spawns/index.mjs', spawnsAndExits)
    await bench.write('models/healthy/index.py', echoPython)
    const config = await bench.configure(broker.port, { forks: '', spawns: '', healthy: '' })
    edgeboot = bench.run(config)
    await edgeboot.ready()
  })
  afterEach(async () => {
    await peer.end()
    await bench.close()
    await broker.stop()
    for (const pid of marked(edgeboot.pid)) process.kill(pid, 'SIGKILL')
  })

  /** Has a model start processes, and gives their ids. */
  async function start(model: string): Promise<number[]> {
    const before = peer.messages.length
    await peer.publish(`in/${model}`, misbehave)
    const message = await until('the ids', () =>
      peer.messages.slice(before).find(({ topic }) => topic === `out/${model}`),
    )
    const pids = JSON.parse(message.text) as number[]
    assert.ok(pids.length > 0 && pids.every(isAlive))
    return pids
  }

  const gone = (pids: readonly number[]): Promise<boolean> =>
    until('them to be gone', () => !pids.some(isAlive))

  async function hostOf(model: string): Promise<number> {
    const { pid } = (await edgeboot.pipelines()).find((one) => one.model === model) ?? {}
    assert.ok(pid !== undefined)
    return pid
  }

  async function healthyAnswers(): Promise<void> {
    const before = peer.messages.length
    await peer.publish('in/healthy', '{"n":1}')
    await until('an answer', () =>
      peer.messages.slice(before).find(({ topic }) => topic === 'out/healthy'),
    )
  }

  test('of a Python runner that is killed', async () => {
    const pids = await start('forks')
    const isOfForks = ({ pipeline }: LogLine): boolean => String(pipeline).includes('_forks_')
    const { runnerPid } = await edgeboot.line('runner.ready', isOfForks)
    process.kill(Number(runnerPid), 'SIGKILL')
    await gone(pids)
    await healthyAnswers()
  })

  test('of a thread that ends', async () => {
    const pids = await start('spawns')
    await peer.publish('in/spawns', '{"exit":true}')
    await gone(pids)
    await healthyAnswers()
  })

  for (const model of ['forks', 'spawns']) {
    test(`of a host that is killed: ${model}`, async () => {
      const pids = await start(model)
      process.kill(await hostOf(model), 'SIGKILL')
      await gone(pids)
      await healthyAnswers()
    })
  }

  test('of a main process that is killed', async () => {
    const pids = [...(await start('forks')), ...(await start('spawns'))]
    const hosts = await Promise.all(['forks', 'spawns', 'healthy'].map(hostOf))
    process.kill(edgeboot.pid, 'SIGKILL')
    await gone([...pids, ...hosts])
    await until('nothing to be left', () => marked(edgeboot.pid).length === 0)
  })

  test('of a main process and its hosts that are killed at once, when edgeboot starts again', async () => {
    const pids = [...(await start('forks')), ...(await start('spawns'))]
    const hosts = await Promise.all(['forks', 'spawns', 'healthy'].map(hostOf))
    process.kill(edgeboot.pid, 'SIGSTOP') // or it would clean up after its hosts
    for (const pid of hosts) process.kill(pid, 'SIGKILL')
    process.kill(edgeboot.pid, 'SIGKILL')
    assert.ok(pids.some(isAlive))
    const next = bench.run(join(bench.folder, 'config.yaml'))
    const { pids: ended } = await next.line('orphans.ended')
    await gone(pids)
    assert.ok((ended as number[]).some((pid) => pids.includes(pid)))
    await next.ready()
  })

  test('of a stop in order', async () => {
    const pids = [...(await start('forks')), ...(await start('spawns'))]
    assert.equal(await edgeboot.stop(), 0)
    await gone(pids)
    assert.deepEqual(marked(edgeboot.pid), [])
  })
})

test(
  'a host that its model keeps busy for ever ends with the main process',
  { skip: needsMosquitto },
  async () => {
    const broker = await Mosquitto.start()
    const bench = await Workbench.open()
    const peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`)
    const source = await readFile(join(fixtures, 'typescript/loops-for-ever/index.ts'), 'utf8')
    await bench.write('models/loops/index.ts', source)
    const edgeboot = bench.run(await bench.configure(broker.port, { loops: 'workers: 0' }))
    await edgeboot.ready()
    const [{ pid: host = 0 } = {}] = await edgeboot.pipelines()
    await peer.publish('in/loops', misbehave)
    await edgeboot.line('host.print')
    process.kill(edgeboot.pid, 'SIGKILL')
    await until('the host to be gone', () => !isAlive(host))
    await peer.end()
    await bench.close()
    await broker.stop()
  },
)

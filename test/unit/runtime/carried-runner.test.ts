import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import { limits } from '../../../src/core/limits.ts'
import {
  CarriedRunner,
  interruptGraceMs,
  killedGoneMs,
  leaveMs,
  terminateGraceMs,
} from '../../../src/runtime/carried-runner.ts'
import type { Carrier, CarrierListener } from '../../../src/runtime/carrier.ts'
import type { Progress } from '../../../src/runtime/progress-mark.ts'
import type { StackDump } from '../../../src/runtime/stack-dump.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { specOf } from '../../support/running-model.ts'

const spec = specOf({ runtime: 'python', folder: '/models/told', entry: 'index.py' })
const item = { event: Buffer.from('1'), context: Buffer.from('{}') }
const engine = { engine: 'Fake 1.0.0' }
const crash = new EdgebootError('RUNNER_EXITED', 'crashed')
const late = new EdgebootError('RUNNER_DEADLINE', 'too late')

/** Does nothing by itself and remembers what it was asked. */
class FakeCarrier implements Carrier {
  readonly asked: string[] = []
  listener: CarrierListener | undefined
  open(listener: CarrierListener): void {
    this.listener = listener
  }
  infer(batchId: number): void {
    this.asked.push(`infer ${batchId}`)
  }
  drain(): void {
    this.asked.push('drain')
  }
  readonly dump = Promise.withResolvers<StackDump>()
  stacks(): Promise<StackDump> {
    this.asked.push('stacks')
    return this.dump.promise
  }
  at: Progress | undefined
  progress(): Progress | undefined {
    return this.at
  }
  holds: number | undefined
  memoryBytes(): Promise<number | undefined> {
    return Promise.resolve(this.holds)
  }
  terminate(): void {
    this.asked.push('terminate')
  }
  kill(): void {
    this.asked.push('kill')
  }
}

class Scene {
  readonly clock = new FakeClock()
  readonly carrier = new FakeCarrier()
  /** Everything that the runner told, in order. */
  readonly told: string[] = []
  /** Of batches that were lost. */
  readonly errors: EdgebootError[] = []
  /** Which of their events the runner was on. */
  readonly lostOn: (number | undefined)[] = []
  readonly runner: CarriedRunner

  constructor(memoryBytesMax?: number) {
    const limited = memoryBytesMax === undefined ? spec : { ...spec, memoryBytesMax }
    const listener = {
      log: () => {},
      exited: (error: EdgebootError) => void this.told.push(`exited ${error.code}`),
      outgrew: (bytes: number) => void this.told.push(`outgrew ${bytes}`),
    }
    this.runner = new CarriedRunner(this.carrier, limited, listener, { clock: this.clock })
  }

  async ready(): Promise<this> {
    const started = this.runner.start()
    this.says.ready(engine)
    await started
    return this
  }

  /** Time goes by, and what was measured is looked at. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    for (let turn = 0; turn < 3; turn++) await Promise.resolve()
  }

  async showsStack(dump: StackDump): Promise<void> {
    this.carrier.dump.resolve(dump)
    await this.carrier.dump.promise
    await Promise.resolve()
  }

  get says(): CarrierListener {
    if (this.carrier.listener === undefined) throw new Error('not started')
    return this.carrier.listener
  }

  infer(count = 1): void {
    this.runner.infer(
      Array.from({ length: count }, () => item),
      {
        outcomes: () => void this.told.push('outcome'),
        lost: (error, index) => {
          this.told.push(`lost ${error.code}`)
          this.errors.push(error)
          this.lostOn.push(index)
        },
      },
    )
  }
}

describe('CarriedRunner', () => {
  test('is ready when its carrier is', async () => {
    const scene = new Scene()
    const started = scene.runner.start()
    scene.says.ready(engine)
    assert.deepEqual(await started, engine)
    assert.equal(scene.clock.timers, 0)
  })

  test('fails to start when the model cannot be loaded, once it is gone', async () => {
    const scene = new Scene()
    const started = scene.runner.start()
    scene.says.failed(new EdgebootError('MODEL_SYNTAX', 'line 3'))
    assert.deepEqual(scene.carrier.asked, ['kill'])
    scene.says.gone(crash)
    await assert.rejects(started, { code: 'MODEL_SYNTAX' })
    assert.deepEqual(scene.told, [])
  })

  test('fails to start when its carrier cannot even try', async () => {
    const scene = new Scene()
    scene.carrier.open = () => {
      throw new EdgebootError('RUNNER_INTERPRETER_MISSING', 'no python')
    }
    await assert.rejects(scene.runner.start(), { code: 'RUNNER_INTERPRETER_MISSING' })
  })

  test('gives a start up that takes too long', async () => {
    const scene = new Scene()
    const started = scene.runner.start()
    scene.clock.advance(limits.runnerStartMs)
    scene.says.ready(engine)
    scene.says.gone(crash)
    await assert.rejects(started, { code: 'RUNNER_START_TIMEOUT' })
  })

  test('loses batches before it says that it is gone', async () => {
    const scene = await new Scene().ready()
    scene.infer()
    scene.says.gone(crash)
    scene.says.gone(crash)
    assert.deepEqual(scene.told, ['lost RUNNER_EXITED', 'exited RUNNER_EXITED'])
  })

  test('tells nobody from inside kill, and gives the reason of the kill, not of the exit', async () => {
    const scene = await new Scene().ready()
    scene.infer()
    scene.runner.kill(late)
    scene.runner.kill(crash)
    assert.deepEqual(scene.told, [])
    scene.says.gone(crash)
    assert.deepEqual(scene.told, ['lost RUNNER_DEADLINE', 'exited RUNNER_DEADLINE'])
  })

  test('tells which event it was on, by the word that it left when it was gone', async () => {
    const scene = await new Scene().ready()
    scene.infer(3)
    scene.carrier.at = { batchId: 1, index: 2 }
    scene.says.gone(crash)
    assert.deepEqual(scene.lostOn, [2])
  })

  for (const how of ['interrupt', 'kill'] as const) {
    test(`tells which event it was on when it was to end, whatever it came to after that: ${how}`, async () => {
      const scene = await new Scene().ready()
      scene.infer(3)
      scene.carrier.at = { batchId: 1, index: 1 }
      scene.runner[how](late)
      scene.carrier.at = { batchId: 1, index: 2 }
      scene.says.gone(crash)
      assert.deepEqual(scene.lostOn, [1])
    })
  }

  test('ignores results that come after a kill', async () => {
    const scene = await new Scene().ready()
    scene.infer()
    scene.runner.kill(late)
    scene.says.result({ batchId: 1, first: 0, outcomes: [{ kind: 'empty' }] })
    assert.deepEqual(scene.told, [])
  })

  test('gives up a killed carrier that the system does not let go', async () => {
    const scene = await new Scene().ready()
    scene.infer()
    scene.runner.kill(late)
    scene.clock.advance(killedGoneMs)
    assert.deepEqual(scene.told, ['lost RUNNER_DEADLINE', 'exited RUNNER_DEADLINE'])
  })

  test('interrupts step by step: its stacks, then terminate, then kill', async () => {
    const scene = await new Scene().ready()
    scene.infer()
    scene.runner.interrupt(late)
    scene.runner.interrupt(crash)
    assert.deepEqual(scene.carrier.asked, ['infer 1', 'stacks'])
    await scene.showsStack({ text: 'in index.py', where: 'index.py:3' })
    assert.equal(scene.carrier.asked.at(-1), 'terminate')
    scene.clock.advance(interruptGraceMs)
    assert.equal(scene.carrier.asked.at(-1), 'kill')
    assert.deepEqual(scene.told, [])
    scene.says.gone(crash)
    assert.deepEqual(scene.told, ['lost RUNNER_DEADLINE', 'exited RUNNER_DEADLINE'])
    assert.deepEqual(scene.errors[0]?.details, { where: 'index.py:3', stack: 'in index.py' })
    assert.equal(scene.errors[0]?.message, 'too late; it was at index.py:3')
    assert.equal(scene.clock.timers, 0)
  })

  test('takes no answer of a runner that it interrupted', async () => {
    const scene = await new Scene().ready()
    scene.infer()
    scene.runner.interrupt(late)
    scene.says.result({ batchId: 1, first: 0, outcomes: [{ kind: 'empty' }] })
    assert.deepEqual(scene.told, [])
  })

  test('tells why it interrupted a runner that ends while it shows its stacks', async () => {
    const scene = await new Scene().ready()
    scene.infer()
    scene.runner.interrupt(late)
    scene.says.gone(crash)
    await scene.showsStack({ remark: 'no stack' })
    assert.deepEqual(scene.told, ['lost RUNNER_DEADLINE', 'exited RUNNER_DEADLINE'])
    assert.deepEqual(scene.carrier.asked, ['infer 1', 'stacks'])
    assert.equal(scene.clock.timers, 0)
  })

  test('kills at once a runner that it interrupted, when it is told to', async () => {
    const scene = await new Scene().ready()
    scene.runner.interrupt(late)
    scene.runner.kill(crash)
    assert.deepEqual(scene.carrier.asked, ['stacks', 'kill'])
    scene.says.gone(crash)
    assert.deepEqual(scene.told, ['exited RUNNER_DEADLINE'])
  })

  test('kills what sends results that nobody asked for', async () => {
    const scene = await new Scene().ready()
    scene.says.result({ batchId: 7, first: 0, outcomes: [{ kind: 'empty' }] })
    scene.says.gone(crash)
    assert.deepEqual(scene.carrier.asked, ['kill'])
    assert.deepEqual(scene.told, ['exited RUNNER_PROTOCOL'])
  })

  test('stops in order: drain, then terminate at the deadline, then kill', async () => {
    const scene = await new Scene().ready()
    scene.infer()
    const stopped = scene.runner.stop(100)
    assert.deepEqual(scene.carrier.asked, ['infer 1', 'drain'])
    scene.clock.advance(100)
    assert.equal(scene.carrier.asked.at(-1), 'terminate')
    scene.clock.advance(terminateGraceMs)
    assert.equal(scene.carrier.asked.at(-1), 'kill')
    scene.says.gone(crash)
    await stopped
    assert.deepEqual(scene.told, ['lost RUNNER_EXITED'])
    assert.equal(scene.clock.timers, 0)
  })

  test('delivers what comes while it stops, and tells nobody of an exit that was asked for', async () => {
    const scene = await new Scene().ready()
    scene.infer()
    const stopped = scene.runner.stop(100)
    scene.says.result({ batchId: 1, first: 0, outcomes: [{ kind: 'empty' }] })
    scene.says.gone(crash)
    await stopped
    assert.deepEqual(scene.told, ['outcome'])
  })

  test('ends a start that is under way when it is stopped', async () => {
    const scene = new Scene()
    const started = scene.runner.start()
    const stopped = scene.runner.stop(100)
    assert.deepEqual(scene.carrier.asked, ['kill'])
    scene.says.gone(crash)
    await stopped
    await assert.rejects(started, { code: 'RUNNER_EXITED' })
  })

  test('loses a batch that it is given while it stops, but not from inside the call', async () => {
    const scene = await new Scene().ready()
    void scene.runner.stop(100)
    scene.infer()
    assert.deepEqual(scene.told, [])
    await Promise.resolve()
    assert.deepEqual(scene.told, ['lost RUNNER_EXITED'])
    scene.says.gone(crash)
  })

  test('need not wait for its deadline to end one that has answered everything and stays', async () => {
    const scene = await new Scene().ready()
    scene.infer()
    void scene.runner.stop(3_600_000)
    scene.clock.advance(leaveMs)
    assert.equal(scene.carrier.asked.at(-1), 'drain')
    scene.says.result({ batchId: 1, first: 0, outcomes: [{ kind: 'empty' }] })
    scene.clock.advance(leaveMs)
    assert.equal(scene.carrier.asked.at(-1), 'terminate')
  })

  test('can be given less time when it is stopping already', async () => {
    const scene = await new Scene().ready()
    scene.infer()
    void scene.runner.stop(3_600_000)
    void scene.runner.stop(100)
    scene.clock.advance(100)
    assert.deepEqual(scene.carrier.asked, ['infer 1', 'drain', 'terminate'])
  })

  test('tells once that it outgrew its memory, and goes on', async () => {
    const scene = await new Scene(100).ready()
    scene.infer()
    scene.carrier.holds = 101
    for (let i = 0; i < 3; i++) await scene.pass(250)
    assert.deepEqual(scene.told, ['outgrew 101'])
    assert.deepEqual(scene.carrier.asked, ['infer 1'])
  })

  test('kills what holds twice its memory, and says how much', async () => {
    const scene = await new Scene(100 * 1024 ** 2).ready()
    scene.infer()
    scene.carrier.holds = 201 * 1024 ** 2
    await scene.pass(250)
    assert.deepEqual(scene.carrier.asked, ['infer 1', 'kill'])
    scene.says.gone(crash)
    assert.deepEqual(scene.told, ['lost RUNNER_MEMORY', 'exited RUNNER_MEMORY'])
    assert.match(scene.errors[0]?.message ?? '', /held 201\.0 MiB and was killed; .*100\.0 MiB/)
  })

  test('fails to start when it outgrew its memory by loading', async () => {
    const scene = new Scene(100)
    scene.carrier.holds = 101
    const started = scene.runner.start()
    scene.says.ready(engine)
    await Promise.resolve()
    scene.says.gone(crash)
    await assert.rejects(started, { code: 'RUNNER_MEMORY' })
    assert.deepEqual(scene.told, [])
  })

  test('looks once more after its work, and then not at all', async () => {
    const scene = await new Scene(100).ready()
    scene.infer()
    scene.says.result({ batchId: 1, first: 0, outcomes: [{ kind: 'empty' }] })
    assert.equal(scene.clock.timers, 1)
    scene.carrier.holds = 101
    await scene.pass(250)
    assert.deepEqual(scene.told, ['outcome', 'outgrew 101'])
    assert.equal(scene.clock.timers, 0)
  })

  test('looks more often when it holds more than half of what it may', async () => {
    const scene = await new Scene(100).ready()
    scene.infer()
    scene.carrier.holds = 51
    await scene.pass(250)
    scene.carrier.holds = 101
    await scene.pass(50)
    assert.deepEqual(scene.told, ['outgrew 101'])
  })

  test('cannot be started twice', async () => {
    const scene = await new Scene().ready()
    await assert.rejects(scene.runner.start(), { code: 'RUNNER_EXITED' })
  })
})

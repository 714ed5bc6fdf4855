import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { PipelineStats } from '../../src/pipeline/pipeline-stats.ts'
import { Mosquitto } from './mosquitto.ts'
import { type Incident, Neighbourhood, type Resident } from './neighbourhood.ts'
import { until } from './wait.ts'

/** How a model misbehaves: what becomes of the event that asks for it, and what is told. */
export interface Misbehaviour extends Resident {
  /** The event is answered, dropped for this reason, or, by chance, one or the other. */
  readonly ends: 'answered' | 'anyhow' | 'crash' | 'deadline' | 'model'
  /** A line in the log of its rule, as JSON. */
  readonly tells?: RegExp
}

/**
 * Tests of models that have something in common: all in one edgeboot, one after the other, beside the
 * same neighbours.
 */
export function misbehaving(
  language: 'python' | 'typescript',
  what: string,
  misbehaviours: Readonly<Record<string, Misbehaviour>>,
): void {
  describe(what, () => {
    let broker: Mosquitto
    let neighbourhood: Neighbourhood

    before(async () => {
      broker = await Mosquitto.start(['allow_anonymous true', 'set_tcp_nodelay true'])
      neighbourhood = await Neighbourhood.open(broker, language, misbehaviours)
    })
    after(async () => {
      await neighbourhood.close()
      await broker.stop()
    })

    for (const [model, misbehaviour] of Object.entries(misbehaviours)) {
      test(`one that ${model.replaceAll('-', ' ')} leaves its neighbours alone`, async (t) => {
        const { ends, tells } = misbehaviour
        const incident = await neighbourhood.misbehave(t, model, misbehaviour)
        await neighbourhood.assertUntouched()

        assertAddsUp(incident.stats)
        assertAnswered(misbehaviour, incident)
        if (tells !== undefined) {
          await until(`the log to tell ${tells}`, () =>
            neighbourhood.linesOf(model).some((line) => tells.test(JSON.stringify(line))),
          )
        }
        if (ends === 'crash' || ends === 'deadline') {
          for (const answers of incident.meanwhile) assert.ok(answers > 0, 'a neighbour waited')
        }
      })
    }

    test('all end with edgeboot, and nothing of them stays behind', () =>
      neighbourhood.assertEndsWell())
  })
}

/** Every healthy event is, in order, and once unless the host had to be replaced; the others as expected. */
function assertAnswered({ ends, culprits = 1 }: Misbehaviour, incident: Incident): void {
  const { answered, dropped, restarts } = incident
  const different = [...new Set(answered)]
  if (restarts === 0) assert.deepEqual(answered, different, 'a result came twice')
  const numbers = Array.from({ length: culprits + 3 }, (_, n) => n)
  const isHealthy = (n: number): boolean => n === 0 || n > culprits
  if (ends === 'answered' || (ends === 'anyhow' && different.includes(1))) {
    assert.deepEqual(different, numbers)
    // A host that dies behind an answer gets its event again, and may be denied it then.
    if (restarts === 0) assert.deepEqual(dropped, {})
    else assert.ok(sum(dropped) <= culprits)
  } else {
    assert.deepEqual(different, numbers.filter(isHealthy))
    if (ends === 'anyhow') assert.equal(sum(dropped), culprits)
    else assert.deepEqual(dropped, { [ends]: culprits })
  }
}

function assertAddsUp(stats: PipelineStats): void {
  const { received, fannedOut, recovered, published, dropped, inMotion, spooled } = stats
  assert.equal(received + fannedOut + recovered, published + sum(dropped) + inMotion + spooled)
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}

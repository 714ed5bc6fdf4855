import { RestartPolicy } from '../core/backoff.ts'
import type { Clock } from '../core/clock.ts'
import type { EdgebootError } from '../core/errors.ts'
import type { Runner } from '../runtime/runner.ts'
import type { ModelRelease } from './model-release.ts'
import type { PoolSlot } from './runner-pool.ts'

/** Room for one runner in a pool, for as long as its release serves. */
export interface RunnerPlace {
  readonly index: number
  readonly release: ModelRelease
  readonly policy: RestartPolicy
  status: 'starting' | 'warming' | 'ready' | 'backoff' | 'broken' | 'stopped'
  reason: string
  error: EdgebootError | undefined
  slot: PoolSlot | undefined
  /** The runner of this place, loaded or not, until it is gone. */
  runner: Runner | undefined
  /** What is to replace it, while that loads. */
  successor: Runner | undefined
  /** Another release has taken over: nothing is started here any more. */
  isOver: boolean
}

/** One without a runner. */
export function emptyPlace(
  index: number,
  release: ModelRelease,
  clock: Clock,
  random: () => number,
): RunnerPlace {
  return {
    index,
    release,
    policy: new RestartPolicy(clock, random),
    status: 'starting',
    reason: 'loading the model',
    error: undefined,
    slot: undefined,
    runner: undefined,
    successor: undefined,
    isOver: false,
  }
}

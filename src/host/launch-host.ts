import { errorClause, type EdgebootError } from '../core/errors.ts'
import type { FromHost } from './host-messages.ts'
import type { ModelStanding } from './model-updates.ts'
import type { LoadedTarget } from './replacement.ts'
import { startOrder } from './start-order.ts'
import { SupervisedHost, type SupervisedHostListener } from './supervised-host.ts'
import type { PipelineSupervisorOptions } from './supervisor-options.ts'

/** A host that stands by to take over. */
export interface Successor {
  readonly host: SupervisedHost
  /** Resolves with nothing when its model is loaded, else with the reason why that failed. */
  readonly loaded: Promise<string | undefined>
  /** Of what it died before its turn came. */
  ended?: EdgebootError
}

/** Launches a host that stands by, and lets somebody hear of its state, or its end. */
export type LaunchSuccessor = (
  heard: (message: (FromHost & { type: 'state' }) | EdgebootError) => void,
) => SupervisedHost

/** Starts the host of a pipeline. */
export function launchHost(
  options: PipelineSupervisorOptions,
  target: LoadedTarget,
  standing: ModelStanding,
  standby: boolean,
  listener: SupervisedHostListener,
): SupervisedHost {
  const { startHost, hostEnvironment, clock, log } = options
  const order = startOrder(target, standing, options)
  return new SupervisedHost(
    {
      order: standby ? { ...order, standby } : order,
      environment: hostEnvironment,
      startHost,
      clock,
      log,
    },
    listener,
  )
}

/** Lets a host load its model and wait. */
export function standBy(launch: LaunchSuccessor): Successor {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const host = launch((message) => {
    if (message instanceof Error) {
      successor.ended = message
      resolve(errorClause(message))
    } else if (message.engine !== undefined) resolve(undefined)
    else if (message.state === 'BACKOFF' || message.state === 'BROKEN') resolve(message.reason)
  })
  const successor: Successor = { host, loaded: promise }
  return successor
}

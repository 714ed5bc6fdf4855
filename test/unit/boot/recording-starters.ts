import { defineStarter, type Starter, type StarterDefinition } from '../../../src/boot/starter.ts'

/** A starter that writes `name.phase` into `calls` and then does what the definition says. */
export function recording(calls: string[], definition: StarterDefinition): Starter {
  const { name } = definition
  return defineStarter({
    ...definition,
    init(context) {
      calls.push(`${name}.init`)
      return definition.init?.(context)
    },
    setup(context) {
      calls.push(`${name}.setup`)
      return definition.setup?.(context)
    },
    start(context) {
      calls.push(`${name}.start`)
      return definition.start?.(context)
    },
    stop(context) {
      calls.push(`${name}.stop`)
      return definition.stop?.(context)
    },
  })
}

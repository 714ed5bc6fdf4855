import { registerHooks } from 'node:module'
import { sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { entryPath } from '../core/entry.ts'
import type { Handler } from './define-model.ts'
import { describeLoadFailure } from './load-failure.ts'
import { ownFolder } from './model-failure.ts'
import type { LoadFailure } from './worker-messages.ts'

/** Thrown when a model cannot be loaded; `failure` crosses the boundary to the host. */
export class ModelLoadError extends Error {
  override readonly name = 'ModelLoadError'
  readonly failure: LoadFailure

  constructor(failure: LoadFailure) {
    super(failure.message)
    this.failure = failure
  }
}

/** A JavaScript or TypeScript model in memory. */
export interface LoadedModel {
  readonly handler: Handler
  /** Its folder with links resolved, as stacks name it. */
  readonly folder: string
}

/**
 * Imports a model and finds its handler: an export `handler`, a default export that is a function,
 * or a default export (CommonJS: `module.exports`) that is an object with a `handler`. What a model
 * imports from `edgeboot` is found wherever its folder is.
 *
 * @throws ModelLoadError
 */
export async function loadModel(model: {
  readonly folder: string
  readonly entryFile: string
}): Promise<LoadedModel> {
  const folder = ownFolder(model.folder)
  const resolution = resolveEdgebootFor(folder)
  let exports: unknown
  try {
    exports = await import(pathToFileURL(model.entryFile).href)
  } catch (thrown) {
    resolution.undo()
    throw new ModelLoadError(describeLoadFailure(thrown, folder, resolution.lastUrl()))
  }
  const handler = findHandler(exports)
  if (handler !== undefined) return { handler, folder }
  throw new ModelLoadError({
    kind: 'no-handler',
    message: `${model.entryFile} exports no handler(event, context)`,
    where: model.entryFile,
  })
}

/** How many default exports may be wrapped in each other: ES module, CommonJS, transpiled ES module. */
const wrappingsMax = 3

function findHandler(exports: unknown): Handler | undefined {
  let holder = exports
  for (let depth = 0; depth < wrappingsMax; depth++) {
    if (typeof holder === 'function') return holder as Handler
    if (typeof holder !== 'object' || holder === null) return undefined
    if ('handler' in holder && typeof holder.handler === 'function') {
      return asMethod(holder as { handler: Handler })
    }
    holder = 'default' in holder ? holder.default : undefined
  }
  return undefined
}

/** `this` in a handler of an object is that object. */
function asMethod(holder: { handler: Handler }): Handler {
  return (event, context) => holder.handler(event, context)
}

/**
 * Lets the files of one model import `edgeboot`, though no `node_modules` above them has it. They
 * get the part that models use and nothing that it would take time to load.
 */
function resolveEdgebootFor(folder: string): {
  /** What was resolved last: Node compiles each module right after. */
  lastUrl(): string | undefined
  undo(): void
} {
  const inside = pathToFileURL(folder + sep).href
  const url = pathToFileURL(entryPath('./define-model', import.meta.url)).href
  let lastUrl: string | undefined
  const hooks = registerHooks({
    resolve(specifier, context, nextResolve) {
      const isTheirs = specifier === 'edgeboot' && context.parentURL?.startsWith(inside) === true
      if (isTheirs) return { url, shortCircuit: true }
      const resolved = nextResolve(specifier, context)
      lastUrl = resolved.url
      return resolved
    },
  })
  return { lastUrl: () => lastUrl, undo: () => hooks.deregister() }
}

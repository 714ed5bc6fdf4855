import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Configuration and models of the demo, beside `src` and beside `dist`. */
const shippedFolder = fileURLToPath(new URL('../../examples/demo', import.meta.url))

/** The demo's files, where its models can run. */
export interface DemoFiles {
  readonly config: string
  /** Removes what was made for this run. */
  remove(): Promise<void>
}

/**
 * Where the demo runs: in place, or from a copy when edgeboot is installed as a package. Node
 * strips no types under `node_modules`, and the TypeScript model is to run as it is written.
 */
export async function demoFiles(): Promise<DemoFiles> {
  const inPlace = !shippedFolder.includes(`${sep}node_modules${sep}`)
  if (inPlace)
    return { config: join(shippedFolder, 'config.yaml'), remove: () => Promise.resolve() }
  const folder = await mkdtemp(join(tmpdir(), 'edgeboot-demo-'))
  await cp(shippedFolder, folder, { recursive: true })
  return {
    config: join(folder, 'config.yaml'),
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

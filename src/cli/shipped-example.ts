import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Examples that come with edgeboot, beside `src` and beside `dist`. */
const examplesFolder = fileURLToPath(new URL('../../examples', import.meta.url))

/** An example's files, where its models can run. */
export interface ShippedExample {
  readonly folder: string
  /** Its configuration, in the folder. */
  readonly config: string
  /** Removes what was made for this run. */
  remove(): Promise<void>
}

/**
 * Where an example runs: in place, or from a copy when edgeboot is installed as a package. Node
 * strips no types under `node_modules`, and the TypeScript model is to run as it is written.
 */
export async function shippedExample(name: 'demo' | 'chaos'): Promise<ShippedExample> {
  const shipped = join(examplesFolder, name)
  const example = (folder: string, remove: () => Promise<void>): ShippedExample => {
    return { folder, config: join(folder, 'config.yaml'), remove }
  }
  const inPlace = !shipped.includes(`${sep}node_modules${sep}`)
  if (inPlace) return example(shipped, () => Promise.resolve())
  const folder = await mkdtemp(join(tmpdir(), `edgeboot-${name}-`))
  await cp(shipped, folder, { recursive: true })
  return example(folder, () => rm(folder, { recursive: true, force: true }))
}

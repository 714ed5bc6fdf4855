import { join, resolve } from 'node:path'
import { readManifest } from '../../config/manifest/read-manifest.ts'
import { modelNameFault } from '../../core/model-name.ts'
import { pathKind } from '../../models/path-kind.ts'
import { listStore } from '../../models/store-listing.ts'

/**
 * Where a model lies that a command line names: a path when there is something, else the active
 * package of a model of the store, else its folder in the models folder.
 *
 * @returns Absolute; when there is nothing, the path that was meant.
 */
export async function locateModel(
  named: string,
  modelsFolder: string,
  cwd: string,
): Promise<string> {
  const path = resolve(cwd, named)
  if ((await pathKind(path)) !== undefined || modelNameFault(named) !== undefined) return path
  const { versions, packages } = await listStore(modelsFolder, readManifest)
  const stored = packages.get(versions.get(named)?.active?.sha256 ?? '')
  if (stored !== undefined) return stored.folder
  const placed = join(modelsFolder, named)
  return (await pathKind(placed)) === undefined ? path : placed
}

import type { Finding } from './finding.ts'
import type { LoadedSettings, LoadOptions } from './load.ts'
import type { Settings } from './settings.ts'

/** Folders that a running instance has taken, and that its configuration cannot change. */
export type LoadPins = Pick<LoadOptions, 'stateFolder' | 'modelsFolder'> & {
  /** The one state folder whose identity may be read, or made up. */
  readonly identityOf?: string
}

/** A file that was read again. */
export interface ReloadedSettings {
  /** With the folders that are in use: what can be applied. */
  readonly settings: Settings
  /** As the file has it. */
  readonly asked: Settings
  readonly notes: readonly Finding[]
}

/**
 * Reads a configuration again beside an instance that runs. A file that names other folders is
 * read once more with those in use: spools and client ids depend on them.
 *
 * @throws EdgebootError `CONFIG_INVALID`, `CONFIG_NOT_FOUND`.
 */
export function reloadSettings(
  load: (pins: LoadPins) => LoadedSettings,
  running: Settings,
): ReloadedSettings {
  const { stateFolder } = running
  const modelsFolder = running.models.folder
  const { settings: asked, notes } = load({ identityOf: stateFolder })
  if (asked.stateFolder === stateFolder && asked.models.folder === modelsFolder) {
    return { settings: asked, asked, notes }
  }
  const { settings } = load({ identityOf: stateFolder, stateFolder, modelsFolder })
  return { settings, asked, notes }
}

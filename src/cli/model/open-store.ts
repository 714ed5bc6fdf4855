import { systemClock } from '../../core/clock.ts'
import { createLogger, type Logger } from '../../core/log.ts'
import { readManifest } from '../../config/manifest/read-manifest.ts'
import type { ModelsSettings } from '../../config/settings.ts'
import { ModelStore } from '../../models/model-store.ts'
import { PackageFolder } from '../../models/package-folder.ts'
import type { CommandIo } from '../command-io.ts'

/** The store as commands use it. */
export interface OpenStore {
  readonly store: ModelStore
  readonly packages: PackageFolder
}

/** Opens the store of a models folder. Nothing is acquired; what it warns of is told on stderr. */
export function openStore(settings: ModelsSettings, io: CommandIo): OpenStore {
  const log = warningsLog(io)
  return {
    store: new ModelStore({ settings, clock: systemClock, log, readManifest }),
    packages: new PackageFolder(settings.folder, systemClock, (event, fields) =>
      log.warn(event, fields),
    ),
  }
}

/** What an instance would write into its log as warnings, as lines for a person. */
function warningsLog(io: CommandIo): Logger {
  return createLogger((_level, event, fields) => {
    const text = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    io.stderr(`warning: ${event}: ${text.join(', ').replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ')}\n`)
  }, 'warn')
}

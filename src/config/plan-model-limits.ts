import { parseDurationMs } from './duration.ts'
import type { NativeConfig } from './schema.ts'
import type { ModelsSettings, PythonEnvironmentSettings } from './settings.ts'
import { parseSizeBytes } from './size.ts'

/** What a configuration may say of `models.limits`, all of it checked. */
type ConfiguredLimits = NonNullable<NativeConfig['models']>['limits']

/** The limits of packages: those of a configuration, and for what it leaves out the defaults. */
export function planModelLimits(limits?: ConfiguredLimits): ModelsSettings['limits'] {
  return {
    packageBytesMax: parseSizeBytes(limits?.packageBytesMax ?? '512MiB') ?? 0,
    unpackedBytesMax: parseSizeBytes(limits?.unpackedBytesMax ?? '2GiB') ?? 0,
    entriesMax: limits?.entriesMax ?? 20_000,
    ratioMax: limits?.ratioMax ?? 200,
    idleMs: parseDurationMs(limits?.idleTimeout ?? '30s') ?? 0,
    totalMs: parseDurationMs(limits?.totalTimeout ?? '30m') ?? 0,
  }
}

/** How what Python models require is installed: what a configuration says, else the defaults. */
export function planPythonEnvironments(
  configured?: NonNullable<NativeConfig['models']>['python'],
): PythonEnvironmentSettings {
  const { install = true, index, buildTimeout = '15m' } = configured ?? {}
  return {
    install,
    ...(index === undefined ? {} : { index }),
    buildMs: parseDurationMs(buildTimeout) ?? 0,
  }
}

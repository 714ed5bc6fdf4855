import { dirname, resolve } from 'node:path'
import { checkSchema } from '../../config/check-schema.ts'
import { invalidConfiguration } from '../../config/finding.ts'
import type { Environment } from '../../config/interpolate.ts'
import { readConfig } from '../../config/read-config.ts'
import type { NativeConfig } from '../../config/schema.ts'

/** Where a rehearsal takes place. */
export interface RehearsalStage {
  /** Addresses of the brokers, by the names that the configuration gives them. */
  readonly brokers: ReadonlyMap<string, string>
  readonly stateFolder: string
  readonly webPort: number
}

/**
 * Reads a configuration, in the native form or any of pyboot's. Variables that are not set stay as
 * they are: those of credentials are not needed here.
 *
 * @throws EdgebootError `CONFIG_INVALID` with every mistake, `CONFIG_NOT_FOUND`.
 */
export function readNative(file: string, env: Environment, cwd: string): NativeConfig {
  const { tree, findings } = readConfig(file, env, { cwd, keepMissing: true })
  const config = tree === undefined ? undefined : checkSchema(tree.root, findings)
  findings.throwIfInvalid()
  if (config === undefined) throw invalidConfiguration(file, findings.all)
  return config
}

/**
 * The same configuration on other brokers: local ones, at QoS 1, without credentials; with a state
 * folder and a port of its own. Everything else stays: models, conditions, bounds, timeouts. Paths
 * become absolute, since it is written to another place.
 *
 * @param file - Absolute path of the configuration, which its paths are relative to.
 */
export function rehearsalConfig(
  config: NativeConfig,
  file: string,
  stage: RehearsalStage,
): NativeConfig {
  const absolute = (path: string): string => resolve(dirname(file), path)
  return {
    ...config,
    mqtts: config.mqtts.map(({ name, keepAlive, connectTimeout }) => ({
      name,
      broker: stage.brokers.get(name) ?? '',
      qos: 1,
      ...(keepAlive === undefined ? {} : { keepAlive }),
      ...(connectTimeout === undefined ? {} : { connectTimeout }),
    })),
    funcs: config.funcs.map((func) => ({
      ...func,
      ...(func.modelAddress === undefined || func.modelAddress.includes('://')
        ? {}
        : { modelAddress: absolute(func.modelAddress) }),
      ...(func.python?.includes('/') === true ? { python: absolute(func.python) } : {}),
    })),
    web: { host: '127.0.0.1', port: stage.webPort },
    ...(config.models?.folder === undefined
      ? {}
      : { models: { ...config.models, folder: absolute(config.models.folder) } }),
    stateFolder: stage.stateFolder,
  }
}

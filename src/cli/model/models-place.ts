import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { loadSettings } from '../../config/load.ts'
import { planModelLimits, planPythonEnvironments } from '../../config/plan-model-limits.ts'
import type { ModelsSettings, Settings } from '../../config/settings.ts'
import { EdgebootError } from '../../core/errors.ts'
import { defaultConfigFile, type CommandIo } from '../command-io.ts'

/** Where the models are; what {@link addModelsPlaceOptions} reads. */
export interface ModelsPlaceFlags {
  readonly config?: string
  readonly models?: string
}

/** A models folder with its limits, and the configuration that named it. */
export interface ModelsPlace {
  readonly models: ModelsSettings
  /** Absent when only a folder was named. */
  readonly settings?: Settings
}

/** Adds `--config` and `--models`. */
export function addModelsPlaceOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', `the configuration (default: ${defaultConfigFile})`)
    .option('--models <folder>', 'the models folder, instead of that of a configuration')
}

/**
 * The models folder that a command is about: that of `--config`, else the one that `--models` names,
 * else that of the default configuration. With both, the folder is that of `--models`.
 *
 * @throws EdgebootError `CONFIG_…`; `CLI_USAGE` when nothing is named and there is no default.
 */
export function findModelsPlace(flags: ModelsPlaceFlags, io: CommandIo): ModelsPlace {
  const { env, cwd } = io
  const folder = flags.models === undefined ? {} : { modelsFolder: flags.models }
  const isDefaultThere = existsSync(resolve(cwd, defaultConfigFile))
  if (flags.config === undefined && flags.models !== undefined) {
    return { models: localModels(resolve(cwd, flags.models)) }
  }
  if (flags.config === undefined && !isDefaultThere) {
    throw new EdgebootError('CLI_USAGE', `there is no ${defaultConfigFile} that names the models`, {
      fix: 'Name the configuration with --config FILE, or the models folder with --models FOLDER.',
    })
  }
  const { settings } = loadSettings(flags.config ?? defaultConfigFile, { env, cwd, ...folder })
  return { models: settings.models, settings }
}

/** The same for commands that can do without: limits of a configuration when there is one, else the defaults. */
export function findModelsPlaceOrDefaults(flags: ModelsPlaceFlags, io: CommandIo): ModelsPlace {
  const isNamed = flags.config !== undefined || flags.models !== undefined
  if (isNamed || existsSync(resolve(io.cwd, defaultConfigFile))) return findModelsPlace(flags, io)
  return { models: localModels(resolve(io.cwd, 'models')) }
}

/** A models folder that no configuration speaks of: as one would have it that says nothing. */
function localModels(folder: string): ModelsSettings {
  return {
    folder,
    download: 'missing',
    require: 'none',
    keys: [],
    python: planPythonEnvironments(),
    limits: planModelLimits(),
  }
}

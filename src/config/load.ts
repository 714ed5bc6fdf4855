import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { checkSchema, namesOf } from './check-schema.ts'
import { findDuplicateNames } from './duplicate-names.ts'
import { inFileOrder, type Finding, type Findings } from './finding.ts'
import type { Environment } from './interpolate.ts'
import { PlanContext } from './plan-context.ts'
import { planSettings } from './plan.ts'
import { readConfig } from './read-config.ts'
import type { Settings } from './settings.ts'

/** What loading depends on besides the file. */
export interface LoadOptions {
  /** For `${NAME}`, and for `DOWNLOAD_MODEL`, `MAX_EDGE_NUM` and `PYBOOT_HOME`. */
  readonly env: Environment
  /** Folder that `file` and the default models folder are relative to. Default: that of the process. */
  readonly cwd?: string
  /** Overrides `models.folder`. */
  readonly modelsFolder?: string
  /** Overrides `stateFolder`. */
  readonly stateFolder?: string
  /** Goes into generated client ids; tells installations with the same file apart. */
  readonly instance?: string
  /** The same for brokers that keep a session; see `readIdentity`. Default: `instance`, and nothing is written. */
  readonly readIdentity?: (stateFolder: string) => string
}

/** A configuration that can run, and what its owner should know all the same. */
export interface LoadedSettings {
  readonly settings: Settings
  /** Warnings, in the order of the file. */
  readonly notes: readonly Finding[]
}

/** What a file came to: settings unless a finding is a mistake. */
export interface InspectedConfig {
  readonly settings?: Settings
  readonly findings: readonly Finding[]
}

/**
 * Reads a configuration, in the native form or any of pyboot's, and decides everything that it
 * leaves open.
 *
 * @throws EdgebootError `CONFIG_INVALID` with every mistake at once, in the message and in
 * `details.findings`; `CONFIG_NOT_FOUND` when there is no such file.
 */
export function loadSettings(file: string, options: LoadOptions): LoadedSettings {
  const { findings, settings } = inspect(file, options)
  findings.throwIfInvalid()
  // Without a mistake there are settings.
  return { settings: settings as Settings, notes: inFileOrder(findings.warnings) }
}

/**
 * The same without throwing for mistakes: for `edgeboot validate`.
 *
 * @throws EdgebootError `CONFIG_NOT_FOUND` when there is no such file.
 */
export function inspectConfig(file: string, options: LoadOptions): InspectedConfig {
  const { findings, settings } = inspect(file, options)
  const all = inFileOrder(findings.all)
  return settings === undefined || findings.errors.length > 0
    ? { findings: all }
    : { findings: all, settings }
}

function inspect(file: string, options: LoadOptions): { findings: Findings; settings?: Settings } {
  const cwd = options.cwd ?? process.cwd()
  const absolute = resolve(cwd, file)
  const { tree, findings } = readConfig(file, options.env, { cwd })
  if (tree === undefined) return { findings }
  const { root } = tree
  const known = { brokers: namesOf(root, 'mqtts'), funcs: namesOf(root, 'funcs') }
  findDuplicateNames(root, findings)
  const config = checkSchema(root, findings)
  if (config === undefined) return { findings }
  const instance = options.instance ?? ''
  const context = new PlanContext({
    config,
    root,
    findings,
    known,
    surroundings: {
      file: absolute,
      env: options.env,
      cwd,
      instance,
      readIdentity: options.readIdentity ?? (() => instance),
      modelsFolder: options.modelsFolder,
      stateFolder: options.stateFolder,
      readSecret: (path) => readFileSync(path, 'utf8'),
    },
  })
  return { findings, settings: planSettings(context) }
}

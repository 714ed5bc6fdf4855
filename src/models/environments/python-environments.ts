import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type {
  ModelSource,
  ModelsSettings,
  PythonEnvironmentSettings,
} from '../../config/settings.ts'
import { byCodePoint } from '../../core/by-code-point.ts'
import type { Clock } from '../../core/clock.ts'
import { asEdgebootError, EdgebootError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { runsInPython } from '../../core/model-kinds.ts'
import { childMark, markVariable } from '../../core/process-mark.ts'
import { findPython } from '../../core/python-interpreter.ts'
import type { ModelPackage } from '../model-package.ts'
import { pathKind } from '../path-kind.ts'
import { SharedWork } from '../shared-work.ts'
import { asStoreError } from '../store-error.ts'
import { buildEnvironment } from './build-environment.ts'
import { lockEnvironment } from './environment-lock.ts'
import {
  readEnvironmentRecord,
  withUse,
  writeEnvironmentRecord,
  type EnvironmentRecord,
  type EnvironmentUser,
} from './environment-record.ts'
import { surveyInterpreter, type InterpreterSurvey } from './interpreter-survey.ts'

/** Variables of this process that pip may see besides its own `PIP_…`. */
const pipVariables =
  /^(PATH|HOME|LANG|LC_\w+|TMPDIR|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|(https?|no|all)_proxy)$/i

/** What environments are built with. */
export interface PythonEnvironmentsOptions {
  readonly settings: PythonEnvironmentSettings
  /** Of models; environments are in `.edgeboot/environments` there. */
  readonly folder: string
  readonly mayDownload: boolean
  /** Of this process. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Of this process, so that what builds is ended with it. */
  readonly mark?: string
  readonly clock: Clock
  readonly log: Logger
}

/** What one who waits for an environment wants besides. */
export interface PrepareOptions {
  readonly signal?: AbortSignal
  /** Hears what is going on, a line of pip at a time. Must not throw. */
  readonly onState?: (state: 'FETCHING', detail: string) => void
}

/**
 * Virtual environments for packages with a `requirements.txt`: each in a folder that is named by
 * the hash of all that decides what is in it, so that packages share them, and built once. What the
 * interpreter has already is not installed again: a package that lacks nothing needs no environment.
 */
export class PythonEnvironments {
  readonly #options: PythonEnvironmentsOptions
  readonly #builds = new SharedWork<void, string>()

  constructor(options: PythonEnvironmentsOptions) {
    this.#options = options
  }

  /** Those of a models folder, unless its settings want none. */
  static of(
    { folder, download, python: settings }: ModelsSettings,
    parts: Omit<PythonEnvironmentsOptions, 'settings' | 'folder' | 'mayDownload'>,
  ): PythonEnvironments | undefined {
    if (settings === undefined) return undefined
    const mayDownload = download !== 'never'
    return new PythonEnvironments({ settings, folder, mayDownload, ...parts })
  }

  /**
   * The package with the interpreter of its environment, which is built first where it is not there;
   * the package as it is when it needs none.
   *
   * Packages of pyboot have a `requirements.txt` that nobody ever installed, and no manifest. Where
   * such a one brings no wheels and its environment cannot be built, it runs with what is there, as it
   * always did, and a warning says what is missing.
   *
   * @throws `MODEL_ENVIRONMENT_FAILED`, `RUNNER_INTERPRETER_MISSING`, `MODEL_STORE_FAILED`, the
   * reason of `signal`.
   */
  async prepare(
    model: ModelPackage,
    source: Pick<ModelSource, 'python'> = {},
    options: PrepareOptions = {},
  ): Promise<ModelPackage> {
    if (!(await wantsEnvironment(model))) return model
    const { environment, settings, log } = this.#options
    const python = findPython({
      model: model.name,
      folder: model.folder,
      named: [source.python, model.manifest?.python, environment['EDGEBOOT_PYTHON']],
      env: environment,
    })
    const signal = options.signal ?? new AbortController().signal
    const { clock } = this.#options
    const way = { env: this.#pipEnvironment(), clock, signal }
    const survey = await surveyInterpreter(python, model, way)
    const { unmet, version } = survey
    if (unmet.length === 0 || !settings.install) {
      const fields = { model: model.name, interpreter: python, version }
      if (unmet.length === 0) log.info('model.requirements-satisfied', fields)
      else log.warn('model.requirements-ignored', { ...fields, unmet })
      return { ...model, python }
    }
    try {
      const onLine = (line: string): void =>
        options.onState?.('FETCHING', `what it requires: ${line}`)
      return await this.#environmentOf(model, python, survey, signal, onLine)
    } catch (thrown) {
      const { folder } = this.#options
      const error = asStoreError(thrown, `build the environment of model '${model.name}'`, folder)
      if (!(await this.#mayRunWithout(model, error))) throw error
      const reason = asEdgebootError(error).message
      const meaning = 'the package has no manifest, so it runs with what is there, as in pyboot'
      log.warn('model.requirements-unmet', {
        model: model.name,
        interpreter: python,
        reason,
        meaning,
      })
      return { ...model, python }
    }
  }

  async #mayRunWithout(model: ModelPackage, thrown: unknown): Promise<boolean> {
    if (model.manifest !== undefined) return false
    const isRefused = thrown instanceof EdgebootError && thrown.code === 'MODEL_ENVIRONMENT_FAILED'
    return isRefused && (await pathKind(join(model.folder, 'wheels'))) !== 'folder'
  }

  async #environmentOf(
    model: ModelPackage,
    python: string,
    survey: InterpreterSurvey,
    signal: AbortSignal,
    onLine: (line: string) => void,
  ): Promise<ModelPackage> {
    const wheels = await wheelDigests(model.folder)
    const hash = this.#hashOf(model, survey, wheels)
    const folder = join(this.#options.folder, '.edgeboot', 'environments', hash)
    const ready = { ...model, python: join(folder, 'bin', 'python') }
    const user = {
      model: model.name,
      ...(model.sha256 === undefined ? { folder: model.folder } : { sha256: model.sha256 }),
    }
    if (await this.#use(folder, user)) return ready
    await this.#builds.join(hash, signal, onLine, async (shared, report) => {
      await mkdir(join(folder, '..'), { recursive: true })
      const { clock } = this.#options
      const unlock = await lockEnvironment(`${folder}.lock`, clock, shared)
      try {
        if ((await wholeEnvironment(folder)) !== undefined) return // another process did it
        await this.#build(model, { hash, folder, python, survey, wheels }, shared, report)
      } finally {
        await unlock()
      }
    })
    await this.#use(folder, user)
    return ready
  }

  async #build(
    model: ModelPackage,
    what: {
      hash: string
      folder: string
      python: string
      survey: InterpreterSurvey
      wheels: readonly string[]
    },
    signal: AbortSignal,
    onLine: (line: string) => void,
  ): Promise<void> {
    const { settings, mayDownload, clock, log } = this.#options
    const { hash, folder, python, survey, wheels } = what
    const began = clock.monotonic()
    const fields = { model: model.name, environment: hash, interpreter: python }
    log.info('model.environment-building', { ...fields, unmet: survey.unmet })
    const plan = {
      model: model.name,
      packageFolder: model.folder,
      folder,
      python,
      survey,
      hasWheels: wheels.length > 0,
      mayDownload,
      env: this.#pipEnvironment(),
      clock,
      timeoutMs: settings.buildMs,
    }
    await buildEnvironment(plan, signal, onLine)
    const now = new Date(clock.now()).toISOString()
    await writeEnvironmentRecord(folder, {
      format: 1,
      hash,
      requirements: await readFile(join(model.folder, 'requirements.txt'), 'utf8'),
      interpreter: survey.real,
      version: survey.version,
      builtAt: now,
      lastUsed: now,
      usedBy: [],
    })
    log.info('model.environment-built', { ...fields, ms: Math.round(clock.monotonic() - began) })
  }

  /** Whether it is there and whole; writes down that it is used. */
  async #use(folder: string, user: EnvironmentUser): Promise<boolean> {
    const record = await wholeEnvironment(folder)
    if (record === undefined) return false
    const now = new Date(this.#options.clock.now()).toISOString()
    await writeEnvironmentRecord(folder, withUse(record, user, now)).catch((thrown: unknown) => {
      this.#options.log.warn('model.environment-unrecorded', { folder, reason: String(thrown) })
    })
    return true
  }

  #hashOf(model: ModelPackage, survey: InterpreterSurvey, wheels: readonly string[]): string {
    const { digest, real, version, platform, hasLocalPaths } = survey
    const { index } = this.#options.settings
    const contents = hasLocalPaths ? (model.sha256 ?? model.contents) : undefined
    const parts = { format: 1, digest, real, version, platform, wheels, index, contents }
    return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)
  }

  #pipEnvironment(): Record<string, string> {
    const { environment, settings, mark } = this.#options
    const env: Record<string, string> = {}
    for (const [name, value] of Object.entries(environment)) {
      const isPip = name.startsWith('PIP_') || pipVariables.test(name)
      if (value !== undefined && isPip) env[name] = value
    }
    // Not as arguments: an address may hold a password, and everybody can read arguments.
    if (settings.index !== undefined) env['PIP_INDEX_URL'] = settings.index
    if (mark !== undefined) env[markVariable] = childMark(mark, 0)
    return env
  }
}

/** The record of an environment that is there, with its interpreter. */
async function wholeEnvironment(folder: string): Promise<EnvironmentRecord | undefined> {
  const record = await readEnvironmentRecord(folder)
  return (await pathKind(join(folder, 'bin', 'python'))) === 'file' ? record : undefined
}

/** Whether a package has requirements, and brings no environment of its own. */
async function wantsEnvironment(model: ModelPackage): Promise<boolean> {
  const { folder, modelsFolder } = model
  // A module of pyboot v0 has the whole models folder for its own, and other models' files in it.
  if (!runsInPython(model) || folder === modelsFolder) return false
  if ((await pathKind(join(folder, 'requirements.txt'))) !== 'file') return false
  return (await pathKind(join(folder, '.venv', 'bin', 'python'))) !== 'file'
}

/** Names and SHA-256 of what is in `wheels/`, sorted. */
async function wheelDigests(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, 'wheels')).catch(() => [])
  const digests: string[] = []
  for (const name of names.toSorted(byCodePoint)) {
    const file = join(folder, 'wheels', name)
    if ((await pathKind(file)) !== 'file') continue
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
    digests.push(`${name} ${hash.digest('hex')}`)
  }
  return digests
}

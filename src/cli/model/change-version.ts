import { setTimeout as sleep } from 'node:timers/promises'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { parseDurationMs } from '../../config/duration.ts'
import { EdgebootError } from '../../core/errors.ts'
import type { VersionName } from '../../models/version-record.ts'
import { defaultConfigFile, type CommandIo } from '../command-io.ts'
import {
  addInstanceOptions,
  findInstance,
  type InstanceFlags,
  type RunningInstance,
} from '../running-instance.ts'
import { findModelsPlace } from './models-place.ts'
import { openStore, type OpenStore } from './open-store.ts'

/** How long an exchange is watched unless the command says otherwise. */
const watchMs = 15_000
const lookEveryMs = 200

/** What the commands that let another version serve have in common. */
export interface ChangeFlags extends InstanceFlags {
  readonly models?: string
  readonly wait?: number
}

/** A change of which version serves. */
export interface VersionChange {
  readonly model: string
  /** Below `/api/v1/models/<model>/`. */
  readonly path: 'activate' | 'rollback'
  readonly body: object
  /** The same without an instance: what is meant then, if that is known. */
  readonly record: (opened: OpenStore, modelsFolder: string) => Promise<VersionName | undefined>
}

/** Adds the options that {@link changeVersion} reads. */
export function addChangeOptions(command: Command): Command {
  return addInstanceOptions(command)
    .option('--models <folder>', 'the models folder, where no instance runs')
    .option('--wait <time>', 'how long to wait for the pipelines (default: 15s)', parseWait)
}

/**
 * Asks the running instance, which lets the version take over at once; where none answers, changes
 * the record, which the next start reads.
 */
export async function changeVersion(
  change: VersionChange,
  flags: ChangeFlags,
  io: CommandIo,
): Promise<void> {
  // Without a configuration, whatever listens at the usual address may use other models.
  const isInstanceKnown =
    flags.url !== undefined ||
    flags.config !== undefined ||
    (flags.models === undefined && existsSync(resolve(io.cwd, defaultConfigFile)))
  let whyNot = 'only the models folder was named'
  if (isInstanceKnown) {
    try {
      await askInstance(change, flags, io)
      return
    } catch (thrown) {
      const isAway = thrown instanceof EdgebootError && thrown.code === 'CLI_INSTANCE_UNREACHABLE'
      // An address that was given is meant to answer.
      if (!isAway || flags.url !== undefined) throw thrown
      whyNot = thrown.message
    }
  }
  const { models } = findModelsPlace(flags, io)
  const version = await change.record(openStore(models, io), models.folder)
  const what = version === undefined ? 'as the configuration says' : describe(version)
  io.stdout(`${change.model}: ${what}, from the next start of edgeboot on (${whyNot})\n`)
}

async function askInstance(
  { model, path, body }: VersionChange,
  flags: ChangeFlags,
  io: CommandIo,
): Promise<void> {
  const instance = findInstance(flags, io)
  const answer = (await instance.post(
    `/api/v1/models/${encodeURIComponent(model)}/${path}`,
    body,
  )) as { version?: string; sha256?: string; pipelines?: readonly string[] }
  const { version, sha256, pipelines = [] } = answer
  const isNamed = version !== undefined && sha256 !== undefined
  const what = isNamed ? describe({ version, sha256 }) : 'as the configuration says'
  io.stdout(`${model}: ${what}\n`)
  if (pipelines.length === 0) {
    io.stdout(`edgeboot at ${instance.address} has no pipeline that uses it\n`)
    return
  }
  io.stdout(`edgeboot at ${instance.address} sees to ${pipelines.join(', ')}\n`)
  if (version !== undefined) await watch(instance, pipelines, version, flags, io)
}

/** Looks until all serve with this version, or the time is over. */
async function watch(
  instance: RunningInstance,
  pipelines: readonly string[],
  version: string,
  flags: ChangeFlags,
  io: CommandIo,
): Promise<void> {
  const waitMs = flags.wait ?? watchMs
  const endAt = performance.now() + waitMs
  for (;;) {
    const states = await statesOf(instance, pipelines)
    const late = states.filter((one) => one.modelVersion !== version || one.state !== 'READY')
    if (late.length === 0) {
      io.stdout(`all of them serve with ${version}\n`)
      return
    }
    if (performance.now() >= endAt) {
      for (const { name, state, modelVersion, reason } of late) {
        io.stdout(`${name}: ${state} with ${modelVersion ?? 'no version'}: ${reason}\n`)
      }
      io.stdout(`not over, or refused, after ${waitMs / 1000} s: the log of edgeboot says more\n`)
      if (waitMs > 0) io.exit(1)
      return
    }
    await sleep(lookEveryMs)
  }
}

interface PipelineAnswer {
  readonly name: string
  readonly state: string
  readonly reason: string
  readonly modelVersion?: string
}

async function statesOf(
  instance: RunningInstance,
  names: readonly string[],
): Promise<readonly PipelineAnswer[]> {
  const { pipelines } = (await instance.get('/api/v1/pipelines')) as {
    pipelines: readonly PipelineAnswer[]
  }
  return pipelines.filter(({ name }) => names.includes(name))
}

function describe({ version, sha256 }: VersionName): string {
  const digits = sha256.slice(0, 12)
  return version === digits ? `version ${version}` : `version ${version} (${digits})`
}

function parseWait(text: string): number {
  const ms = parseDurationMs(text)
  if (ms === undefined) throw new InvalidArgumentError('Give a time such as 10s, 2m or 0s.')
  return ms
}

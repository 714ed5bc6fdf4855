import type { Command } from 'commander'
import type { PipelineSettings } from '../../config/settings.ts'
import { readManifest } from '../../config/manifest/read-manifest.ts'
import { listStore, type ListedEntry, type StoreListing } from '../../models/store-listing.ts'
import type { Activation, VersionRecord } from '../../models/version-record.ts'
import type { CommandIo } from '../command-io.ts'
import { sizeText, textTable } from '../text-table.ts'
import { addModelsPlaceOptions, findModelsPlace, type ModelsPlaceFlags } from './models-place.ts'

const help = `
State: active is what serves (pinned: an operator chose it), previous what served before (rollback goes
there), held what was refused or rolled back and is not chosen again, fetched what came from the address
and has not served yet, folder is one that lies in the models folder and is used as it is, kept is a
package that no name stands for. The same package under several names is on the disk once. With --json,
history has the last takeovers: when, by whom, and why.

Examples:
  edgeboot model list
  edgeboot model list --models /srv/models
  edgeboot model list --json | jq '.[] | select(.state == "active")'`

/** One line of the list. */
interface ListedModel {
  /** Absent for a package that no name stands for. */
  readonly name?: string
  readonly version: string
  readonly sha256?: string
  readonly runtime?: string
  readonly format?: string
  /** Unpacked; absent for a folder. */
  readonly bytes?: number
  readonly state: 'active' | 'previous' | 'held' | 'fetched' | 'folder' | 'kept'
  /** Why it is held back, or that an operator chose it. */
  readonly remark?: string
  /** Of an active one: the last takeovers of the model, the latest first. */
  readonly history?: readonly Activation[]
  /** ISO 8601: active since, or unpacked at. */
  readonly since?: string
  /** Where it came from, without credentials. */
  readonly address?: string
  /** Absolute. */
  readonly folder?: string
  /** Rules of the configuration that name the model. */
  readonly rules: readonly string[]
  /** Other names that stand for the same package. */
  readonly sharedWith: readonly string[]
  /** Why it cannot be started. */
  readonly fault?: string
}

/** Adds `edgeboot model list`. */
export function addListCommand(model: Command, io: CommandIo): void {
  const command = model
    .command('list')
    .summary('list models and their versions')
    .description('Lists the models of the models folder: version, size, state, and who uses them.')
    .option('--json', 'print one JSON document instead')
    .addHelpText('after', help)
  addModelsPlaceOptions(command).action(
    async (flags: ModelsPlaceFlags & { readonly json?: boolean }) => {
      const { models, settings } = findModelsPlace(flags, io)
      const listing = await listStore(models.folder, readManifest)
      const listed = describe(listing, settings?.pipelines ?? [])
      for (const { file, reason } of listing.unreadable) {
        io.stderr(`warning: ${file} counts as absent: ${reason}\n`)
      }
      if (flags.json === true) io.stdout(`${JSON.stringify(listed, undefined, 2)}\n`)
      else print(listed, models.folder, io)
    },
  )
}

function describe(
  { packages, versions, folders }: StoreListing,
  pipelines: readonly PipelineSettings[],
): ListedModel[] {
  const rulesOf = (name: string): string[] => [
    ...new Set(pipelines.filter((one) => one.model.name === name).map(({ rule }) => rule)),
  ]
  const named = new Set<string>()
  const models: ListedModel[] = folders.map((found) => ({
    name: found.name,
    version: found.entry?.manifest?.version ?? 'folder',
    ...kindOf(found),
    state: 'folder',
    folder: found.folder,
    rules: rulesOf(found.name),
    sharedWith: [],
  }))
  for (const [name, record] of versions) {
    for (const { sha256, ...state } of statesOf(record)) {
      // One that was refused may have been removed since; that it was refused is still true.
      if (state.state !== 'active' && state.state !== 'previous' && !packages.has(sha256)) continue
      named.add(sha256)
      const others = [...versions].filter(
        ([other, { active }]) => other !== name && active?.sha256 === sha256,
      )
      models.push({
        name,
        ...packageFacts(sha256, packages),
        ...state,
        rules: state.state === 'active' ? rulesOf(name) : [],
        sharedWith: others.map(([other]) => other),
      })
    }
  }
  models.sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : a.name === b.name ? 0 : 1))
  for (const sha256 of packages.keys()) {
    if (named.has(sha256)) continue
    models.push({ ...packageFacts(sha256, packages), state: 'kept', rules: [], sharedWith: [] })
  }
  return models
}

/** Each version that a model's record names, once, by the most telling of its states. */
function statesOf(
  record: VersionRecord,
): (Pick<ListedModel, 'state' | 'remark' | 'history' | 'since'> & { sha256: string })[] {
  const { active, since, previous, pinned, held, history, origins } = record
  const states: ReturnType<typeof statesOf> = []
  if (active !== undefined) {
    states.push({
      sha256: active.sha256,
      state: 'active',
      history,
      ...(since !== undefined && { since }),
    })
  }
  if (previous !== undefined) states.push({ sha256: previous.sha256, state: 'previous' })
  if (pinned !== undefined && states.every(({ sha256 }) => sha256 !== pinned.sha256)) {
    states.push({ sha256: pinned.sha256, state: 'fetched' })
  }
  for (const { sha256, reason, by } of held) {
    states.push({ sha256, state: 'held', remark: `${reason} (${by})` })
  }
  for (const { sha256 } of origins) {
    if (states.every((one) => one.sha256 !== sha256)) states.push({ sha256, state: 'fetched' })
  }
  return states.map((one) => (one.sha256 === pinned?.sha256 ? { ...one, remark: 'pinned' } : one))
}

function packageFacts(
  sha256: string,
  packages: StoreListing['packages'],
): Omit<ListedModel, 'state' | 'rules' | 'sharedWith'> {
  const stored = packages.get(sha256)
  const version = stored?.entry?.manifest?.version ?? sha256.slice(0, 12)
  if (stored === undefined) return { version, sha256, fault: 'the package is gone from the store' }
  const { record, folder } = stored
  return {
    version,
    sha256,
    ...kindOf(stored),
    bytes: record.unpackedBytes,
    since: record.unpackedAt,
    address: record.address,
    folder,
  }
}

function kindOf({
  entry,
  fault,
}: ListedEntry): Pick<ListedModel, 'runtime' | 'format'> & { fault?: string } {
  if (entry !== undefined) return { runtime: entry.runtime, format: entry.format }
  return fault === undefined ? {} : { fault }
}

function print(models: readonly ListedModel[], folder: string, io: CommandIo): void {
  if (models.length === 0) {
    io.stdout(`no model in ${folder}\n`)
    return
  }
  const rows = models.map((one) => [
    one.name ?? '-',
    one.version,
    one.sha256?.slice(0, 12) ?? '-',
    kindText(one),
    one.bytes === undefined ? '-' : sizeText(one.bytes),
    one.remark === 'pinned' ? `${one.state}, pinned` : one.state,
    one.rules.join(', ') || '-',
    one.since?.slice(0, 16).replace('T', ' ') ?? '-',
  ])
  const headings = ['MODEL', 'VERSION', 'SHA-256', 'KIND', 'SIZE', 'STATE', 'RULES', 'SINCE (UTC)']
  io.stdout(`${textTable(headings, rows, new Set([4])).join('\n')}\n`)
  for (const { name, version, state, remark } of models) {
    if (state === 'held') io.stdout(`\n${name} ${version} is held back: ${remark}\n`)
  }
  for (const { name, version, fault } of models) {
    if (fault !== undefined) io.stdout(`\n${name ?? 'package'} ${version}: ${fault}\n`)
  }
  const shared = models.filter(
    ({ sharedWith, state }) => state === 'active' && sharedWith.length > 0,
  )
  if (shared.length > 0) {
    const names = shared.map(({ name }) => name).join(', ')
    io.stdout(`\nOn the disk once, because the packages are the same: ${names}\n`)
  }
}

function kindText({ runtime, format, fault }: ListedModel): string {
  if (fault !== undefined) return 'unusable'
  if (runtime === undefined) return '-'
  return format === undefined || format === 'module' || format === runtime
    ? runtime
    : `${runtime} (${format})`
}

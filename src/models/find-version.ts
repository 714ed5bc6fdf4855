import { EdgebootError } from '../core/errors.ts'
import type { StoreListing } from './store-listing.ts'
import { unknownModel, type VersionName } from './version-record.ts'

/** Fewer digits of a digest are a version's name, or a typing error. */
const digitsMin = 4
/** Versions that are named in an error. */
const namedMax = 20

/**
 * Finds the version of a model that somebody means: by the version of its manifest, or by the first
 * digits of its digest. Of the store, any package will do that the digits name; a version has to be
 * one that this model had, for other models have a 1.0.0 too.
 *
 * @param text - Such as `1.4.0` or `9f86d081`.
 * @throws EdgebootError `MODEL_VERSION_UNKNOWN` with the versions that there are.
 */
export function findVersion(listing: StoreListing, model: string, text: string): VersionName {
  const record = listing.versions.get(model) ?? unknownModel
  const { active, previous, history, held, origins } = record
  const own = new Map<string, string>()
  for (const { sha256 } of [...held, ...origins]) own.set(sha256, shortDigest(sha256))
  for (const one of [...history, previous, active]) {
    if (one !== undefined) own.set(one.sha256, one.version)
  }
  for (const [sha256, { entry }] of listing.packages) {
    const version = entry?.manifest?.version
    const isOwn = own.has(sha256) || entry?.manifest?.name === model
    if (isOwn) own.set(sha256, version ?? own.get(sha256) ?? shortDigest(sha256))
  }
  const there = [...own].filter(([sha256]) => listing.packages.has(sha256))
  const byVersion = there.filter(([, version]) => version === text)
  const digits = text.toLowerCase()
  const byDigest =
    /^[0-9a-f]+$/.test(digits) && digits.length >= digitsMin
      ? [...listing.packages.keys()].filter((sha256) => sha256.startsWith(digits))
      : []
  const found = new Set([...byVersion.map(([sha256]) => sha256), ...byDigest])
  const [sha256] = found
  if (sha256 !== undefined && found.size === 1) {
    return { sha256, version: own.get(sha256) ?? versionOf(listing, sha256) }
  }
  const many = [...found].map((one) => `${own.get(one) ?? '-'} (${shortDigest(one)})`)
  const message =
    found.size > 1
      ? `${JSON.stringify(text)} names ${found.size} versions of model '${model}': ${many.join(', ')}`
      : `the store has no version ${JSON.stringify(text)} of model '${model}'`
  const all = there.slice(0, namedMax).map(([one, version]) => `${version} (${shortDigest(one)})`)
  throw new EdgebootError('MODEL_VERSION_UNKNOWN', message, {
    details: { model },
    fix:
      found.size > 1
        ? 'Name it by more digits of its digest.'
        : all.length === 0
          ? 'Fetch one with edgeboot model pull; edgeboot model list shows what the store has.'
          : `Take one of ${all.join(', ')}; or fetch another with edgeboot model pull.`,
  })
}

function versionOf({ packages }: StoreListing, sha256: string): string {
  return packages.get(sha256)?.entry?.manifest?.version ?? shortDigest(sha256)
}

function shortDigest(sha256: string): string {
  return sha256.slice(0, 12)
}

/**
 * What the store knows of one model name, `active/<model>.json`, and how it changes. Pure: nothing
 * here reads or writes.
 */
import { isSha256 } from './digest.ts'

/** Takeovers that are remembered. */
export const historyMax = 20
/** Versions that are remembered as refused; the oldest is forgotten. */
export const heldMax = 50
/** Addresses of which is remembered what came from there last. */
export const originsMax = 8
/** Characters of a reason that are kept. */
const reasonCharactersMax = 500

/** Who let a version take over. */
export type ActivatedBy = 'configuration' | 'operator' | 'probation' | 'samples'

/** Who held a version back. */
export type HeldBy = 'probation' | 'samples' | 'operator'

/** A version that serves, or has served. */
export interface VersionName {
  readonly sha256: string
  /** What its manifest says, else the first digits of the digest. */
  readonly version: string
}

/** One takeover. */
export interface Activation extends VersionName {
  /** ISO 8601. */
  readonly at: string
  readonly by: ActivatedBy
  readonly reason?: string
}

/** A version that is never chosen by itself any more. */
export interface HeldVersion {
  readonly sha256: string
  readonly by: HeldBy
  readonly reason: string
  /** ISO 8601. */
  readonly at: string
}

/** What an address gave when it was last looked at. */
export interface Origin {
  readonly sha256: string
  /** Without credentials and query. */
  readonly address: string
  /** Tells whether the configuration still names it: the address above leaves parts out. */
  readonly addressFingerprint: string
}

/** All that is known of a model name. */
export interface VersionRecord {
  readonly format: 2
  /** What serves, or is to serve at the next start. */
  readonly active?: VersionName
  /** ISO 8601; there with `active`. */
  readonly since?: string
  /** What was active before, and is there to go back to. */
  readonly previous?: VersionName
  /** What an operator chose: it is handed out whatever the address has, and active once it took over. */
  readonly pinned?: VersionName
  /** The last one that passed its samples and its probation. */
  readonly proven?: string
  /** The latest first. */
  readonly origins: readonly Origin[]
  /** The latest first. */
  readonly held: readonly HeldVersion[]
  /** The latest first. */
  readonly history: readonly Activation[]
}

/** When and why something changes. */
export interface Occasion<By> {
  /** ISO 8601. */
  readonly at: string
  readonly by: By
  readonly reason?: string
}

/** Of a model that nothing is known of. */
export const unknownModel: VersionRecord = {
  format: 2,
  origins: [],
  held: [],
  history: [],
}

/** Why a version is held back, if it is. */
export function heldVersion(record: VersionRecord, sha256: string): HeldVersion | undefined {
  return record.held.find((held) => held.sha256 === sha256)
}

/** All versions that somebody may go back to: nothing of them may be removed from the disk. */
export function keptVersions(record: VersionRecord): ReadonlySet<string> {
  const { active, previous, pinned, proven } = record
  const kept = [active?.sha256, previous?.sha256, pinned?.sha256, proven]
  return new Set(kept.filter((sha256) => sha256 !== undefined))
}

/** The same record if that was known already. */
export function withOrigin(record: VersionRecord, origin: Origin): VersionRecord {
  const { addressFingerprint, sha256 } = origin
  const known = record.origins.find((one) => one.addressFingerprint === addressFingerprint)
  if (known?.sha256 === sha256) return record
  const others = record.origins.filter((one) => one !== known)
  return { ...record, origins: [origin, ...others].slice(0, originsMax) }
}

/**
 * A version took over: what was active is the one to go back to. The same record if it was active already, or has been held back meanwhile.
 */
export function withTakeover(
  record: VersionRecord,
  version: VersionName,
  occasion: Occasion<ActivatedBy>,
): VersionRecord {
  const { sha256 } = version
  if (record.active?.sha256 === sha256 || heldVersion(record, sha256) !== undefined) return record
  return activate(record, version, occasion, record.active ?? record.previous)
}

/** An operator chose a version: it is to take over, and is no longer held back. */
export function withPin(record: VersionRecord, { sha256, version }: VersionName): VersionRecord {
  const held = record.held.filter((one) => one.sha256 !== sha256)
  return { ...record, held, pinned: { sha256, version } }
}

/** The configuration decides again. */
export function withoutPin(record: VersionRecord): VersionRecord {
  const { pinned, ...rest } = record
  return pinned === undefined ? record : rest
}

/** A version passed its samples and its probation. */
export function withProof(record: VersionRecord, sha256: string): VersionRecord {
  return record.proven === sha256 ? record : { ...record, proven: sha256 }
}

/**
 * A version is never chosen by itself any more. If it was active, the one before takes its place;
 * the next one to go back to is then the latest in the history that is neither held back nor gone.
 *
 * @param isThere - Whether a version is on the disk.
 */
export function withHeld(
  record: VersionRecord,
  sha256: string,
  occasion: Occasion<HeldBy> & { readonly reason: string },
  isThere: (sha256: string) => boolean,
): VersionRecord {
  const { at, by } = occasion
  const reason = shortened(occasion.reason)
  const others = record.held.filter((one) => one.sha256 !== sha256)
  const held = [{ sha256, by, reason, at }, ...others].slice(0, heldMax)
  const { proven, pinned, ...rest } = record
  const noted: VersionRecord = {
    ...rest,
    held,
    ...(proven !== undefined && proven !== sha256 && { proven }),
    ...(pinned !== undefined && pinned.sha256 !== sha256 && { pinned }),
  }
  if (record.active?.sha256 !== sha256) return withoutPrevious(noted, sha256)
  const { active: _active, since: _since, ...left } = withoutPrevious(noted, sha256)
  const fallback = fallbackOf(left, isThere)
  return fallback === undefined ? left : activate(left, fallback, { at, by, reason }, undefined)
}

/** What somebody would go back to: the one before, else the latest that served and may again. */
export function fallbackOf(
  record: VersionRecord,
  isThere: (sha256: string) => boolean,
): VersionName | undefined {
  const { active, previous, history } = record
  return [...(previous === undefined ? [] : [previous]), ...history].find(
    ({ sha256 }) =>
      sha256 !== active?.sha256 && heldVersion(record, sha256) === undefined && isThere(sha256),
  )
}

function activate(
  record: VersionRecord,
  { sha256, version }: VersionName,
  { at, by, reason }: Occasion<ActivatedBy>,
  previous: VersionName | undefined,
): VersionRecord {
  const { previous: _former, ...rest } = record
  const why = reason === undefined ? {} : { reason: shortened(reason) }
  return {
    ...rest,
    active: { sha256, version },
    since: at,
    ...(previous !== undefined && previous.sha256 !== sha256 && { previous }),
    history: [{ sha256, version, at, by, ...why }, ...record.history].slice(0, historyMax),
  }
}

function withoutPrevious(record: VersionRecord, sha256: string): VersionRecord {
  const { previous, ...rest } = record
  return previous?.sha256 === sha256 ? rest : record
}

function shortened(reason: string): string {
  return reason.length > reasonCharactersMax ? `${reason.slice(0, reasonCharactersMax)}…` : reason
}

/**
 * Reads what a file of the store holds, as JSON gives it. Files of the first format, of before 0.5,
 * are understood.
 *
 * @returns `undefined` for what is no such record: none is trusted in part.
 */
export function parseVersionRecord(value: unknown): VersionRecord | undefined {
  if (!isRecord(value)) return undefined
  if (value['format'] === 1) return fromFirstFormat(value)
  const { format, active, previous, since, pinned, proven, origins, held, history } = value
  const isValid =
    format === 2 &&
    (active === undefined ? since === undefined : isVersionName(active) && isText(since)) &&
    (previous === undefined || isVersionName(previous)) &&
    (pinned === undefined || isVersionName(pinned)) &&
    (proven === undefined || isSha256(proven)) &&
    isListOf(origins, originsMax, isOrigin) &&
    isListOf(held, heldMax, isHeldVersion) &&
    isListOf(history, historyMax, isActivation)
  return isValid ? (value as unknown as VersionRecord) : undefined
}

function fromFirstFormat(value: Record<string, unknown>): VersionRecord | undefined {
  const { sha256, since, previous } = value
  if (!isOrigin(value) || !isSha256(sha256) || !isText(since)) return undefined
  if (previous !== undefined && !isSha256(previous)) return undefined
  const { address, addressFingerprint } = value
  const named = (digest: string): VersionName => ({ sha256: digest, version: digest.slice(0, 12) })
  return {
    ...unknownModel,
    active: named(sha256),
    since,
    ...(previous === undefined ? {} : { previous: named(previous) }),
    origins: [{ sha256, address, addressFingerprint }],
  }
}

function isVersionName(value: unknown): value is VersionName {
  return isRecord(value) && isSha256(value['sha256']) && isText(value['version'])
}

function isOrigin<T>(value: T): value is T & Origin {
  return (
    isRecord(value) &&
    isSha256(value['sha256']) &&
    isText(value['address']) &&
    isText(value['addressFingerprint'])
  )
}

function isHeldVersion(value: unknown): boolean {
  return (
    isRecord(value) &&
    isSha256(value['sha256']) &&
    isText(value['by']) &&
    isText(value['reason']) &&
    isText(value['at'])
  )
}

function isActivation(value: unknown): boolean {
  return isVersionName(value) && isRecord(value) && isText(value['at']) && isText(value['by'])
}

function isListOf(value: unknown, itemsMax: number, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length <= itemsMax && value.every(isItem)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

import { createHash } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Which subscriptions a broker keeps for a client id. */
export interface SessionRecord {
  /** Name of the broker in the configuration. */
  readonly broker: string
  /** Its address, without credentials. */
  readonly url: string
  readonly clientId: string
  readonly filters: readonly string[]
  /** What the broker was told last of how long to keep the session. */
  readonly keptForSeconds: number
}

/** What reading a record comes to. */
export type ReadSessionRecord =
  | { readonly kind: 'record'; readonly record: SessionRecord }
  | { readonly kind: 'absent' }
  /** `reason` is a clause such as `it is not JSON`. */
  | { readonly kind: 'unreadable'; readonly reason: string }

/** A record as it lies in the folder. */
export interface StoredSessionRecord {
  readonly file: string
  readonly read: ReadSessionRecord
}

/**
 * The records of the sessions that brokers keep for us: one small file per broker and client id.
 *
 * A broker tells nobody what it has subscribed for a client id. Without these files a filter that
 * left the configuration would go on filling the session for ever.
 */
export class SessionRecords {
  readonly #folder: string

  /** @param folder - Made when the first record is written. */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** Where the record of a session lies. */
  fileOf(url: string, clientId: string): string {
    const digest = createHash('sha256').update(`${url}\n${clientId}`).digest('hex')
    return join(this.#folder, `session-${digest.slice(0, 32)}.json`)
  }

  /** Never rejects. */
  read(url: string, clientId: string): Promise<ReadSessionRecord> {
    return readRecord(this.fileOf(url, clientId))
  }

  /**
   * Writes or replaces a record in one step: at every moment, a power cut included, the old or the
   * new one is there, whole.
   *
   * @throws what the file system says.
   */
  async write(record: SessionRecord): Promise<void> {
    const file = this.fileOf(record.url, record.clientId)
    const temporaryFile = `${file}.tmp`
    await mkdir(this.#folder, { recursive: true })
    await writeSynced(temporaryFile, JSON.stringify({ format: 1, ...record }, undefined, 2) + '\n')
    await rename(temporaryFile, file)
    await using folder = await open(this.#folder, 'r')
    await folder.sync()
  }

  /** @throws what the file system says; a record that is not there is no error. */
  async delete(url: string, clientId: string): Promise<void> {
    await rm(this.fileOf(url, clientId), { force: true })
  }

  /**
   * All records of the folder. A folder that is not there has none.
   *
   * @throws what the file system says.
   */
  async all(): Promise<readonly StoredSessionRecord[]> {
    const files = (await namesIn(this.#folder))
      .filter((name) => /^session-[0-9a-f]{32}\.json$/.test(name))
      .map((name) => join(this.#folder, name))
    return Promise.all(files.map(async (file) => ({ file, read: await readRecord(file) })))
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return []
    throw thrown
  }
}

async function writeSynced(file: string, text: string): Promise<void> {
  await using handle = await open(file, 'w', 0o644)
  await handle.writeFile(text)
  await handle.sync()
}

async function readRecord(file: string): Promise<ReadSessionRecord> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (thrown) {
    const code = codeOf(thrown)
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'absent' }
    return { kind: 'unreadable', reason: `it cannot be read (${code})` }
  }
  try {
    const record = asRecord(JSON.parse(text))
    if (record !== undefined) return { kind: 'record', record }
    return { kind: 'unreadable', reason: 'it lacks what a record must have' }
  } catch {
    return { kind: 'unreadable', reason: 'it is not JSON' }
  }
}

/** A record that cannot be understood is not trusted in part. */
function asRecord(value: unknown): SessionRecord | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { format, broker, url, clientId, filters, keptForSeconds } = value as Readonly<
    Record<string, unknown>
  >
  const isWhole =
    format === 1 &&
    typeof broker === 'string' &&
    typeof url === 'string' &&
    typeof clientId === 'string' &&
    Array.isArray(filters) &&
    filters.length > 0 &&
    filters.every((filter) => typeof filter === 'string' && filter !== '') &&
    typeof keptForSeconds === 'number' &&
    // 0 would ask for a clean session, and so throw away what is kept.
    keptForSeconds > 0
  if (!isWhole) return undefined
  return { broker, url, clientId, filters: filters as string[], keptForSeconds }
}

function codeOf(thrown: unknown): string {
  const code = (thrown as NodeJS.ErrnoException).code
  return code ?? String(thrown)
}

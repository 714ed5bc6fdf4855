import { createHash } from 'node:crypto'
import { watch, type FSWatcher } from 'node:fs'
import { readFile, realpath } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { Clock, Timer } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import { folderContents } from '../models/folder-contents.ts'

/** Between a change and the look at it, and between two looks that have to agree. */
const settleMs = 300
/** Folders that are watched; what lies in others is noticed with the next reload. */
const foldersMax = 512
/** Changes of models in a row that are taken for the author's. */
const changesMax = 10
/** The span in which they are counted, and how long models are left alone when there are more. */
const restMs = 60_000

/** What to watch. Absolute paths; they need not exist. */
export interface WatchedPaths {
  readonly config: string
  /** Folders and zips. */
  readonly models: readonly string[]
}

/** What a watch needs from around it. */
export interface PathWatchOptions {
  readonly clock: Clock
  readonly log: Logger
  /** What changed is whole: it has not changed any more for a moment. */
  readonly changed: (what: 'configuration' | 'model') => void
}

interface Look {
  readonly digests: ReadonlyMap<string, string>
  /** Those that models consist of. */
  readonly folders: readonly string[]
}

/**
 * Watches a configuration file and the models that it uses, on this machine's disks. The system's
 * notices say when to look and no more: what counts is that the content of the file, or the names,
 * sizes and times in a folder, differ from before, and that two looks in a row agree. So a file that
 * is still being copied is not taken for whole, one that an editor or a ConfigMap replaces is
 * found again, and one that was only saved again is no change. Nothing is polled.
 */
export class PathWatch {
  readonly #options: PathWatchOptions
  #paths: WatchedPaths = { config: '', models: [] }
  readonly #watchers = new Set<FSWatcher>()
  #known = new Map<string, string>()
  #last: Look = { digests: new Map(), folders: [] }
  #timer: Timer | undefined
  #isLooking = false
  #isDue = false
  #isClosed = false
  #hasFailed = false
  #changesAt: number[] = []

  constructor(options: PathWatchOptions) {
    this.#options = options
  }

  /** Watches these from now on. What changed meanwhile of those watched before is still told. */
  async watch(paths: WatchedPaths): Promise<void> {
    this.#paths = paths
    const look = await this.#see()
    for (const [path, digest] of look.digests) {
      if (!this.#known.has(path)) this.#known.set(path, digest)
    }
    this.#last = look
    await this.#renew(look.folders)
    // Something may have changed before the notices were asked for.
    this.#lookSoon()
  }

  /** Tells nothing more. */
  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#closeWatchers()
  }

  #lookSoon(delayMs = settleMs): void {
    if (this.#isClosed) return
    this.#isDue = true
    if (this.#isLooking || this.#timer !== undefined) return
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#timer = undefined
      void this.#look()
    })
  }

  async #look(): Promise<void> {
    this.#isLooking = true
    this.#isDue = false
    const look = await this.#see()
    const isSettled = isSame(look.digests, this.#last.digests)
    this.#last = look
    if (isSettled) {
      this.#compare(look)
    } else {
      // A folder that was replaced is another one under the same name.
      await this.#renew(look.folders)
      this.#isDue = true
    }
    this.#isLooking = false
    if (this.#isDue) this.#lookSoon()
  }

  #compare(look: Look): void {
    const { config } = this.#paths
    const changed = [...look.digests].filter(([path, digest]) => this.#known.get(path) !== digest)
    if (changed.length === 0 || this.#isClosed) return
    const isConfig = changed.some(([path]) => path === config)
    if (!isConfig && !this.#mayTellOfModels()) return
    this.#known = new Map(look.digests)
    this.#options.changed(isConfig ? 'configuration' : 'model')
  }

  /** A model that writes beside its own files would be replaced for ever. */
  #mayTellOfModels(): boolean {
    const { clock, log } = this.#options
    const now = clock.monotonic()
    this.#changesAt = this.#changesAt.filter((at) => now - at < restMs)
    if (this.#changesAt.length >= changesMax) {
      log.warn('reload.models-restless', {
        changes: changesMax,
        withinMs: restMs,
        meaning: 'a model seems to write into its own folder; models are not watched for a minute',
        fix: 'let the model write elsewhere, or run without --watch',
      })
      this.#changesAt = []
      this.#timer = clock.after(restMs, () => {
        this.#timer = undefined
        void this.#look()
      })
      return false
    }
    this.#changesAt.push(now)
    return true
  }

  async #see(): Promise<Look> {
    const { config, models } = this.#paths
    const digests = new Map([[config, await contentOf(config)]])
    const folders: string[] = []
    for (const path of models) {
      const contents = await folderContents(path)
      digests.set(path, contents.digest)
      folders.push(...contents.folders)
    }
    return { digests, folders }
  }

  async #renew(modelFolders: readonly string[]): Promise<void> {
    const { config, models } = this.#paths
    const wanted = new Map<string, Set<string> | 'all'>()
    const want = (path: string): void => {
      const folder = dirname(path)
      const names = wanted.get(folder) ?? new Set<string>()
      if (names !== 'all') wanted.set(folder, names.add(basename(path)))
    }
    want(config)
    // Behind a link, it is the other end that is written to.
    want(await realpath(config).catch(() => config))
    for (const path of models) want(path)
    for (const folder of modelFolders) wanted.set(folder, 'all')
    if (this.#isClosed) return
    this.#closeWatchers()
    for (const [folder, names] of [...wanted].slice(0, foldersMax)) this.#watchFolder(folder, names)
  }

  #watchFolder(folder: string, names: ReadonlySet<string> | 'all'): void {
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (concerns(name, names)) this.#lookSoon()
      })
      watcher.on('error', () => this.#lookSoon())
      this.#watchers.add(watcher)
    } catch (thrown) {
      const reason = (thrown as NodeJS.ErrnoException).code ?? String(thrown)
      // What is not there yet is seen from the folder above.
      if (reason === 'ENOENT' || reason === 'ENOTDIR' || this.#hasFailed) return
      this.#hasFailed = true
      this.#options.log.warn('reload.watch-failed', {
        folder,
        reason,
        meaning: 'changes there are not noticed by themselves',
        fix: 'for ENOSPC raise fs.inotify.max_user_watches; or send SIGHUP after a change',
      })
    }
  }

  #closeWatchers(): void {
    for (const watcher of this.#watchers) watcher.close()
    this.#watchers.clear()
  }
}

/** Names that begin with two dots are how a ConfigMap is exchanged. */
function concerns(name: string | null, names: ReadonlySet<string> | 'all'): boolean {
  if (name === null || name.startsWith('..')) return true
  if (names !== 'all') return names.has(name)
  return !name.startsWith('.') && name !== '__pycache__'
}

async function contentOf(file: string): Promise<string> {
  try {
    return createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code ?? String(thrown)
  }
}

function isSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([path, digest]) => b.get(path) === digest)
}

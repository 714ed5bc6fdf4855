import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Enough for the spools, dead letters and records of a run; little enough to be filled at once. */
const sizeMiB = 64
const fillerName = 'chaos-filler'

/**
 * A disk that can be filled: a small file system in memory, mounted for the run. That takes the
 * right to mount; without it there is an ordinary folder, and the disk does not fill.
 */
export class SmallDisk {
  readonly folder: string
  /** Why the disk cannot be filled; `undefined` when it can. */
  readonly refusal: string | undefined

  private constructor(folder: string, refusal: string | undefined) {
    this.folder = folder
    this.refusal = refusal
  }

  static mount(folder: string): SmallDisk {
    mkdirSync(folder, { recursive: true })
    const size = `size=${sizeMiB}m,mode=0700`
    const { status, stderr, error } = spawnSync(
      'mount',
      ['-t', 'tmpfs', '-o', size, 'edgeboot-chaos', folder],
      { encoding: 'utf8' },
    )
    const why = status === 0 ? undefined : (error?.message ?? stderr.trim())
    return new SmallDisk(folder, why)
  }

  /** Leaves no room on it. */
  fill(): void {
    if (this.refusal !== undefined) return
    const block = Buffer.alloc(64 * 1024)
    for (const bytes of [block.length, 4096]) {
      try {
        for (;;) {
          writeFileSync(join(this.folder, fillerName), block.subarray(0, bytes), { flag: 'a' })
        }
      } catch {
        // Full, as it was to be; the last pages go in smaller pieces.
      }
    }
  }

  free(): void {
    rmSync(join(this.folder, fillerName), { force: true })
  }

  unmount(): void {
    this.free()
    if (this.refusal === undefined) spawnSync('umount', ['--lazy', this.folder])
  }
}

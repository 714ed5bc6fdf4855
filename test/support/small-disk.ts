import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { rmdirSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system of its own, of so many bytes. */
export class SmallDisk {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /**
   * @param filesMax - Files and folders that it can hold.
   * @returns `undefined` where this user may not mount.
   */
  static async mount(bytes: number, filesMax = 0): Promise<SmallDisk | undefined> {
    const folder = await mkdtemp(join(tmpdir(), 'edgeboot-disk-'))
    const mounted = spawnSync('mount', [
      '-t',
      'tmpfs',
      '-o',
      `size=${bytes},nr_inodes=${filesMax}`,
      'tmpfs',
      folder,
    ])
    if (mounted.status === 0) return new SmallDisk(folder)
    rmdirSync(folder)
    return undefined
  }

  makeReadOnly(): void {
    const { status } = spawnSync('mount', ['-o', 'remount,ro', this.folder])
    assert.equal(status, 0)
  }

  [Symbol.dispose](): void {
    spawnSync('umount', ['-l', this.folder])
    rmdirSync(this.folder)
  }
}

import { statfs } from 'node:fs/promises'
import { EdgebootError } from '../core/errors.ts'

/** What is left to others on a disk that is used up: records, logs, the spool. */
export const roomMarginBytes = 1024 * 1024

/** What something needs on the disk. */
export interface NeededRoom {
  /** An existing folder on that disk. */
  readonly folder: string
  readonly bytes: number
  /** For the message, such as `download the package`. */
  readonly doing: string
  readonly where: string
}

/**
 * Makes sure that there is room before something is begun that would only fail in the middle.
 *
 * @throws EdgebootError `MODEL_DISK_FULL` with what is needed and what there is.
 */
export async function assertRoom({ folder, bytes, doing, where }: NeededRoom): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const availableBytes = bavail * bsize
  const neededBytes = bytes + roomMarginBytes
  if (availableBytes >= neededBytes) return
  throw new EdgebootError(
    'MODEL_DISK_FULL',
    `no room to ${doing}: it needs ${neededBytes} bytes, and the disk of ${folder} has ${availableBytes}`,
    { details: { where, neededBytes, availableBytes } },
  )
}

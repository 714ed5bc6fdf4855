import { EdgebootError } from '../core/errors.ts'

/** What the common ones mean, in words that an operator knows. */
const meanings: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EIO: 'the disk reports an error',
  ENOTDIR: 'a part of the path is a file',
  EMFILE: 'too many open files',
}

/** Whether a thrown value is a refusal of the operating system. zlib's errors are not. */
export function isSystemError(thrown: unknown): thrown is NodeJS.ErrnoException {
  return thrown instanceof Error && 'syscall' in thrown && 'code' in thrown
}

/**
 * Turns a refusal of the file system into `MODEL_STORE_FAILED`, or `MODEL_DISK_FULL` where it is
 * that. Everything else passes unchanged.
 *
 * @param doing - What was tried, such as `unpack model 'a'`.
 */
export function asStoreError(thrown: unknown, doing: string, path: string): unknown {
  if (!isSystemError(thrown)) return thrown
  const code = thrown.code ?? 'unknown'
  const why = meanings[code] ?? thrown.message
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  const is = isFull ? 'MODEL_DISK_FULL' : 'MODEL_STORE_FAILED'
  return new EdgebootError(is, `cannot ${doing}: ${why} (${code})`, {
    details: { where: thrown.path ?? path, errno: code },
    cause: thrown,
  })
}

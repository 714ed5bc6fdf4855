import { open, readFile, rm } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import type { Clock } from '../../core/clock.ts'
import { startTimeIn } from '../../core/process-mark.ts'

const lookAgainMs = 250

/**
 * Keeps the building of an environment to one process. Whoever has the lock is named in its file by
 * process number and start time: a lock of a process that is gone is nobody's.
 *
 * @param file - Of the lock; its folder is there.
 * @returns Gives the lock back.
 * @throws The reason of `signal`; what the file system says.
 */
export async function lockEnvironment(
  file: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  for (;;) {
    signal.throwIfAborted()
    try {
      await using handle = await open(file, 'wx', 0o644)
      await handle.writeFile(identityOf(process.pid))
      return () => rm(file, { force: true })
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown
    }
    const holder = await readFile(file, 'utf8').catch(() => '')
    const [pid = ''] = holder.split(' ')
    // An empty one is about to be written, or its writer died in between: looked at once more.
    await new Promise<void>((resolve) => {
      clock.after(lookAgainMs, resolve, { keepAlive: true })
    })
    const isHeld = holder !== '' && holder === identityOf(Number(pid))
    if (isHeld || (await readFile(file, 'utf8').catch(() => undefined)) !== holder) continue
    await rm(file, { force: true })
  }
}

function identityOf(pid: number): string {
  try {
    return `${pid} ${startTimeIn(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? ''}`
  } catch {
    return `${pid} gone`
  }
}

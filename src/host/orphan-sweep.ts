/**
 * Ends the processes that a runner, a host or a main process left behind, by their marks (see
 * `core/process-mark.ts`). Linux alone has `/proc`; elsewhere nothing is found.
 *
 * Only processes of the same user and in the same process id namespace are looked at. One that was
 * started with an environment emptied by hand is not found; those of its process group are when
 * their leader is.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { isBelow, mainMark, mainOf, markIn, startTimeIn } from '../core/process-mark.ts'

/** Processes that are killed may have started others meanwhile: look again, so often at most. */
const passesMax = 5
/** Processes that are looked at between two turns of the event loop, in about half a millisecond. */
const perTurn = 16

/** The mark that this process gives on; `undefined` where there is no `/proc`. */
export function markOfThisProcess(): string | undefined {
  const startTime = startTimeOf(process.pid)
  return startTime === undefined ? undefined : mainMark(process.pid, startTime)
}

/**
 * Ends everything that was started by the process with this mark, or by one below it, but not this
 * process. Takes some milliseconds, with the event loop free in between. Never rejects.
 *
 * @returns Process ids.
 */
export function endAllOf(mark: string): Promise<readonly number[]> {
  return inTurns(sweep((found) => found === mark || isBelow(found, mark)))
}

/** The same for a process that is about to exit: at once, with nothing in between. */
export function endAllOfNow(mark: string): void {
  const steps = sweep((found) => found === mark || isBelow(found, mark))
  while (!steps.next().done) {
    // Nothing to wait for.
  }
}

/**
 * Ends what main processes left behind that were killed with no chance to do so themselves: their
 * hosts, runners, and what those started. Never rejects.
 *
 * @returns Process ids.
 */
export function endOrphans(): Promise<readonly number[]> {
  return inTurns(
    sweep((mark) => {
      const { pid, startTime } = mainOf(mark)
      return startTimeOf(pid) !== startTime
    }),
  )
}

async function inTurns(steps: Generator<undefined, readonly number[]>): Promise<readonly number[]> {
  for (;;) {
    const step = steps.next()
    if (step.done) return step.value
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function* sweep(isMeant: (mark: string) => boolean): Generator<undefined, readonly number[]> {
  const ended = new Set<number>()
  for (let pass = 0; pass < passesMax; pass++) {
    const before = ended.size
    let looks = 0
    for (const name of processes()) {
      looks += 1
      if (looks % perTurn === 0) yield
      const pid = Number(name)
      if (ended.has(pid) || !isOurs(pid)) continue
      const mark = markIn(read(`/proc/${name}/environ`))
      if (mark === undefined || !isMeant(mark) || !sharesNamespace(pid)) continue
      end(pid)
      ended.add(pid)
    }
    if (ended.size === before) break
  }
  return [...ended]
}

function processes(): readonly string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

function isOurs(pid: number): boolean {
  try {
    return pid !== process.pid && statSync(`/proc/${pid}`).uid === process.getuid?.()
  } catch {
    return false
  }
}

/** Numbers of processes mean the same in both. */
function sharesNamespace(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`) === readlinkSync('/proc/self/ns/pid')
  } catch {
    return false
  }
}

/** With the group that it leads, if it leads one. */
function end(pid: number): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, 'SIGKILL')
    } catch {
      // It leads no group, or is gone already.
    }
  }
}

function startTimeOf(pid: number): string | undefined {
  return startTimeIn(read(`/proc/${pid}/stat`))
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

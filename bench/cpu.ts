import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** CPU that a process has used so far, all its threads together, in microseconds. */
export interface CpuUse {
  readonly userUs: number
  readonly systemUs: number
}

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK']).toString())

/**
 * Reads `/proc/<pid>/stat`. The sum of both figures is exact but for rounding to a tick (10 ms);
 * how it is divided between them is the kernel's estimate.
 *
 * @throws ENOENT when the process is gone.
 */
export function cpuUse(pid: number): CpuUse {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The second field is the name of the program, in parentheses, and may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const us = (ticks: string | undefined): number => (Number(ticks) * 1e6) / ticksPerSecond
  return { userUs: us(fields[11]), systemUs: us(fields[12]) }
}

/** What was used between two readings. */
export function usedUs(before: CpuUse, after: CpuUse): number {
  return after.userUs - before.userUs + after.systemUs - before.systemUs
}

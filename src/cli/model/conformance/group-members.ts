import { readdirSync, readFileSync } from 'node:fs'

/**
 * Processes of a process group that are not dead yet, each with its command line. Reads `/proc`:
 * only Linux has it, and `undefined` says that this system has not.
 */
export function groupMembers(group: number): readonly string[] | undefined {
  let pids: string[]
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return undefined
  }
  return pids.filter((pid) => isLiveMember(pid, group)).map((pid) => `${pid} (${commandLine(pid)})`)
}

/** A zombie is one that only its parent has not looked at yet. */
function isLiveMember(pid: string, group: number): boolean {
  const stat = read(`/proc/${pid}/stat`)
  // The name in parentheses may hold anything, spaces and parentheses too.
  const [state, , groupOfIt] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(groupOfIt) === group && state !== 'Z' && state !== 'X'
}

function commandLine(pid: string): string {
  return read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim() || 'it has ended'
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // it has ended
  }
}

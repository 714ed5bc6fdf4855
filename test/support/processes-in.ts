import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * Processes that work in a folder or below it, as everything does that edgeboot starts there, and
 * whatever its models start, however far they got away from it. Zombies do not count.
 *
 * @returns Each with its command line.
 */
export function processesIn(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && worksIn(folder, name))
    .map((pid) => `${pid} ${commandLine(pid)}`)
}

function worksIn(folder: string, pid: string): boolean {
  try {
    return `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${folder}/`)
  } catch {
    return false // it has ended, or is somebody else's
  }
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return 'has ended'
  }
}

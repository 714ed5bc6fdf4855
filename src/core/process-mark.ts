/**
 * Whose a process is, written where every process that it starts inherits it: in the environment.
 * Tells the processes of a model from all others on the machine when their host or the main process
 * is gone, also those that left its process group. Not secret. Pure; `host/orphan-sweep.ts` looks.
 *
 * ```
 * main       4711:1850232          pid and start time: together of one process alone until a reboot
 * host       4711:1850232:3        the third that this main process started
 * runner     4711:1850232:3:7      its seventh
 * ```
 */

/** The variable that holds the mark. */
export const markVariable = 'EDGEBOOT_RUNNER'

/** The mark of what a main process starts. */
export function mainMark(pid: number, startTime: string): string {
  return `${pid}:${startTime}`
}

/** The mark of the `number`th that `parent` started. */
export function childMark(parent: string, number: number): string {
  return `${parent}:${number}`
}

/** Whether a process with this mark was started by the one with that mark, or by one below. */
export function isBelow(mark: string, ancestor: string): boolean {
  return mark.startsWith(`${ancestor}:`)
}

/** The main process that a mark names. */
export function mainOf(mark: string): { readonly pid: number; readonly startTime: string } {
  const [pid = '', startTime = ''] = mark.split(':')
  return { pid: Number(pid), startTime }
}

/** The mark in the text of `/proc/<pid>/environ`, if there is one. */
export function markIn(environ: string): string | undefined {
  const entry = `\0${environ}`
  const at = entry.indexOf(`\0${markVariable}=`)
  if (at < 0) return undefined
  const [written = ''] = entry.slice(at + markVariable.length + 2).split('\0', 1)
  return /^\d+:\d+(?::\d+){0,2}$/.test(written) ? written : undefined
}

/**
 * When a process started, in ticks since the machine did, from the text of `/proc/<pid>/stat`.
 *
 * @returns `undefined` for a text that is none.
 */
export function startTimeIn(stat: string): string | undefined {
  // The name, in parentheses, may hold anything: what follows the last one has fields by number.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const startTime = fields[19]
  return startTime !== undefined && /^\d+$/.test(startTime) ? startTime : undefined
}

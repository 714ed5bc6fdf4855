/** What lies where in the state folder, for those who write it and those who look after it. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'

/** Where all spools lie. */
export function spoolFolder(stateFolder: string): string {
  return join(stateFolder, 'spool')
}

/** Where hosts keep what their successors have to know. */
export function recorderFolder(stateFolder: string): string {
  return join(stateFolder, 'recorder')
}

/** Where events lie that were given up. */
export function deadLettersFolder(stateFolder: string): string {
  return join(stateFolder, 'dead-letters')
}

/** Where it is written down what brokers keep for us. */
export function sessionsFolder(stateFolder: string): string {
  return join(stateFolder, 'sessions')
}

/**
 * Name of a file that belongs to one pipeline. Known by names and not by place, so that what a rule
 * has on the disk stays its own when another rule comes before it. The names are there for people,
 * the hash tells apart.
 *
 * @param names - Rule and func, and whatever else the file depends on.
 */
export function pipelineFileName(names: readonly string[], extension: string): string {
  const readable = names.map((name) => name.replaceAll(/[^\w-]/g, '_').slice(0, 40)).join('.')
  const hash = createHash('sha256').update(JSON.stringify(names)).digest('hex').slice(0, 10)
  return `${readable}.${hash}.${extension}`
}

/** What lies where in the state folder, for those who write it and those who look after it. */
import { join } from 'node:path'

/** Where all spools lie. */
export function spoolFolder(stateFolder: string): string {
  return join(stateFolder, 'spool')
}

/** Where it is written down what brokers keep for us. */
export function sessionsFolder(stateFolder: string): string {
  return join(stateFolder, 'sessions')
}

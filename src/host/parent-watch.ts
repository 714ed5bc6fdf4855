import { spawn } from 'node:child_process'
import { markVariable } from '../core/process-mark.ts'
import { lifelineDescriptor } from './host-messages.ts'

/** Sleeps in `read` until the other end of its standard input is closed. */
const script = 'read -r _; kill -9 "$1"'

/**
 * Ends this host when the main process is gone, though a model may block its event loop for ever
 * (`workers: 0`): a shell waits on a pipe that the main process holds and never writes to. It takes
 * 2 MiB, where a thread of Node takes 17. Without a shell the next start of edgeboot ends the host.
 *
 * @param mark - Of this host. The shell bears it, so that it is ended when the host is killed.
 * @returns Ends the watch: call it before the host exits.
 */
export function watchParent(mark: string): () => void {
  const shell = spawn('/bin/sh', ['-c', script, 'edgeboot-watch', String(process.pid)], {
    stdio: [lifelineDescriptor, 'ignore', 'ignore'],
    env: { [markVariable]: mark },
  })
  shell.on('error', () => {})
  shell.unref()
  return () => void shell.kill('SIGKILL')
}

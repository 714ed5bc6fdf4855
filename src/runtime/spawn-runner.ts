import { spawn, type ChildProcess } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { ProgressFile } from './progress-file.ts'

/**
 * Starts a program as a runner: it leads a process group of its own, reads nothing from standard
 * input, and has the descriptors of the frame protocol.
 *
 * @param cwd - The folder of the model.
 * @param env - All of its environment.
 * @param mark - Inherited as descriptor 6; closed when the start cannot even be tried.
 * @throws What Node throws then; `error` of the child tells the rest.
 */
export function spawnRunner(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
  mark: ProgressFile | undefined,
): ChildProcess {
  const inherited = mark === undefined ? [] : [mark.descriptor]
  try {
    const stdio = ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', ...inherited] as const
    return spawn(command, args, { cwd, env, detached: true, stdio: [...stdio] })
  } catch (thrown) {
    mark?.close()
    throw thrown
  }
}

/** The streams of a runner by descriptor. Node's own type knows of five. */
export function streamsOf(child: ChildProcess): readonly (Readable | Writable | undefined)[] {
  const streams: readonly (Readable | Writable | null | undefined)[] = child.stdio ?? []
  return streams.map((stream) => stream ?? undefined)
}

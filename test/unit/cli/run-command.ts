import { Command } from 'commander'
import type { CommandIo } from '../../../src/cli/command-io.ts'

/** What a command printed, and the exit status that it asked for. */
export interface CommandRun {
  readonly stdout: string
  readonly stderr: string
  readonly status: number
}

/** Runs one command as the program would, without a process. Errors come through. */
export async function runCommand(
  add: (program: Command, io: CommandIo) => void,
  args: readonly string[],
  options: { cwd: string; env?: Readonly<Record<string, string>>; stdin?: string },
): Promise<CommandRun> {
  let stdout = ''
  let stderr = ''
  let status = 0
  const program = new Command().exitOverride()
  add(program, {
    stdout: (text) => void (stdout += text),
    stderr: (text) => void (stderr += text),
    stdin: (bytesMax) => Promise.resolve(Buffer.from(options.stdin ?? '').subarray(0, bytesMax)),
    env: options.env ?? {},
    cwd: options.cwd,
    exit: (code) => void (status = Math.max(status, code)),
  })
  await program.parseAsync([...args], { from: 'user' })
  return { stdout, stderr, status }
}

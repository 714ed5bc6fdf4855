#!/usr/bin/env node
/**
 * The bin: arguments to `cli/`, exit status out. Nothing is imported before the version of Node is
 * known to be new enough, since an older one could not even read what follows.
 */
import type { CommandIo } from './cli/command-io.ts'

const oldestMajor = 24
const oldestMinor = 12
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
  process.stderr.write(
    `error: edgeboot needs Node ${oldestMajor}.${oldestMinor} or newer, and this is ${process.versions.node} (${process.execPath}) [CLI_NODE_TOO_OLD]\n`,
  )
  process.exitCode = 1
} else {
  const { runProgram } = await import('./cli/program.ts')
  const { askSecret } = await import('./cli/ask-secret.ts')
  const { edgebootVersion } = await import('./cli/version.ts')
  // A reader that has seen enough (`edgeboot schema | head`) is no failure.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const io: CommandIo = {
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    ...(process.stdout.isTTY ? { terminal: { columns: process.stdout.columns } } : {}),
    stdin: async (bytesMax) => {
      const chunks: Uint8Array[] = []
      let left = bytesMax
      for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
        chunks.push(chunk.subarray(0, left))
        left -= chunk.byteLength
        if (left <= 0) break
      }
      return Buffer.concat(chunks)
    },
    ...(process.stdin.isTTY
      ? { askSecret: (question: string) => askSecret(question, process.stdin, process.stderr) }
      : {}),
    env: process.env,
    cwd: process.cwd(),
    exit: () => {},
  }
  process.exitCode = await runProgram(process.argv.slice(2), io, edgebootVersion())
}

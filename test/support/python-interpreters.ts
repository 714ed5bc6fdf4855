import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { needs } from './requirements.ts'

/** A Python 3 of this machine. */
export interface PythonInterpreter {
  readonly path: string
  /** Such as `3.11.2`. */
  readonly version: string
}

/**
 * Every Python 3.6 or newer of this machine, each once: what pyenv installed, and those on the PATH
 * and in /usr/bin. Sorted by version.
 */
export function pythonInterpreters(): readonly PythonInterpreter[] {
  const found = new Map<string, PythonInterpreter>()
  for (const path of candidates()) {
    const script = 'import sys; print(sys.executable, ".".join(map(str, sys.version_info[:3])))'
    const answer = spawnSync(path, ['-c', script], { encoding: 'utf8' })
    const [executable, version] = answer.stdout?.trim().split(' ') ?? []
    if (answer.status !== 0 || executable === undefined || version === undefined) continue
    if (!existsSync(executable) || minorOf(version) < 6) continue
    found.set(realpathSync(executable), { path: executable, version })
  }
  return [...found.values()].sort((a, b) => minorOf(a.version) - minorOf(b.version))
}

/** For `{ skip: needsPython }`. */
export const needsPython = needs('python3', 'apt-get install python3')

function candidates(): string[] {
  const onPath = (process.env['PATH'] ?? '').split(':').map((folder) => join(folder, 'python3'))
  const versions = join(homedir(), '.pyenv', 'versions')
  const ofPyenv = existsSync(versions)
    ? readdirSync(versions).map((version) => join(versions, version, 'bin', 'python3'))
    : []
  return [...ofPyenv, ...onPath, '/usr/bin/python3'].filter((path) => existsSync(path))
}

function minorOf(version: string): number {
  return Number(version.split('.')[1])
}

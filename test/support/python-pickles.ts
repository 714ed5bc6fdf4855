import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { needsModule } from './requirements.ts'

/** The Python for which Debian installs scikit-learn. */
export const sciencePython = '/usr/bin/python3'

/** For `test(name, { skip: needsScience() }, …)`. */
export function needsScience(): false | string {
  return needsModule(sciencePython, 'sklearn', 'apt-get install python3-sklearn')
}

/**
 * Runs a Python script in a folder and gives the names of the files that are there afterwards.
 *
 * @throws With what Python said when it fails.
 */
export function pythonMakes(folder: string, script: string, python = sciencePython): string[] {
  const { status, stderr } = spawnSync(python, ['-c', script], { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return readdirSync(folder).toSorted()
}

import { readdir, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { environmentError } from './environment-error.ts'
import type { InterpreterSurvey } from './interpreter-survey.ts'
import { runProgram, type ProgramEnd } from './run-program.ts'

/** A virtual environment with pip in it, and something to install. */
const spaceBytesMin = 64 * 1024 * 1024
/** Wheels are compressed to about a third, and are unpacked beside themselves. */
const spacePerWheelByte = 4
/** Else a file of the package with the name of a module would be taken for that module. */
const isolated = ['-I', '-m']
const linesShown = 4
const lineCharsMax = 400

/** What is to be built. */
export interface EnvironmentPlan {
  readonly model: string
  /** Absolute root of the package. */
  readonly packageFolder: string
  /** Where it is built: a virtual environment cannot be moved. */
  readonly folder: string
  readonly python: string
  readonly survey: InterpreterSurvey
  /** Whether the package brings its wheels: no index is asked then. */
  readonly hasWheels: boolean
  readonly mayDownload: boolean
  readonly env: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly timeoutMs: number
}

/**
 * Makes a virtual environment and installs a package's `requirements.txt` into it. It sees what the
 * interpreter's own site-packages have, so that what the system's package manager installed is used
 * and not downloaded again. What fails leaves nothing behind.
 *
 * @throws `MODEL_ENVIRONMENT_FAILED`, the reason of `signal`.
 */
export async function buildEnvironment(
  plan: EnvironmentPlan,
  signal: AbortSignal,
  onLine: (line: string) => void,
): Promise<void> {
  const { folder, python, packageFolder, clock, env, timeoutMs } = plan
  await rm(folder, { recursive: true, force: true })
  await checkPossible(plan)
  const endsAt = clock.monotonic() + timeoutMs
  const run = async (command: string, args: readonly string[]): Promise<ProgramEnd> =>
    await runProgram({
      command,
      args,
      cwd: packageFolder,
      env,
      clock,
      timeoutMs: Math.max(1, endsAt - clock.monotonic()),
      signal,
      onLine,
    })
  try {
    onLine(`making a virtual environment with ${python}`)
    const made = await run(python, [...isolated, 'venv', '--system-site-packages', folder])
    if (made.code !== 0) throw failed(plan, 'python -m venv', made)
    const installed = await run(join(folder, 'bin', 'python'), pipArguments(plan))
    if (installed.code !== 0) throw failed(plan, 'pip', installed)
  } catch (thrown) {
    await rm(folder, { recursive: true, force: true }).catch(() => {})
    throw thrown
  }
}

function pipArguments({ hasWheels }: EnvironmentPlan): string[] {
  const options = ['--disable-pip-version-check', '--no-input', '--no-cache-dir']
  const source = hasWheels ? ['--no-index', '--find-links', 'wheels'] : []
  const install = ['install', '--progress-bar', 'off', ...options, ...source]
  return [...isolated, 'pip', ...install, '-r', 'requirements.txt']
}

/** What can be known before anything is made. */
async function checkPossible(plan: EnvironmentPlan): Promise<void> {
  const { model, packageFolder, python, survey, hasWheels, mayDownload, folder } = plan
  const { unmet, version, foreignWheels, tag } = survey
  if (!hasWheels && !mayDownload) {
    const reason = `${python} lacks ${listed(unmet)}; the package has no wheels/ and downloads are forbidden (models.download: never)`
    throw environmentError(model, join(packageFolder, 'requirements.txt'), reason, {
      fix: `Put the wheels into wheels/ of the package, or install them for ${python}.`,
    })
  }
  if (!survey.hasVenv) {
    const [major, minor] = version.split('.')
    const reason = `${python} (Python ${version}) has no venv and ensurepip to make an environment with`
    throw environmentError(model, python, reason, {
      fix: `On Debian and Ubuntu: apt-get install python3-venv (python${major}.${minor}-venv).`,
    })
  }
  if (hasWheels && foreignWheels.length > 0) {
    const reason = `${listed(foreignWheels)} in wheels/ does not suit ${python} (Python ${version}), which takes wheels for ${tag} and what is compatible with that`
    throw environmentError(model, join(packageFolder, 'wheels', foreignWheels[0] ?? ''), reason, {
      fix: `Add the wheel for this machine: pip download --only-binary=:all: -d wheels -r requirements.txt, on a machine of this kind.`,
    })
  }
  const needed = spaceBytesMin + spacePerWheelByte * (await wheelBytes(packageFolder))
  const { bavail, bsize } = await statfs(join(folder, '..'))
  if (bavail * bsize < needed) {
    const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 1024 ** 2)} MiB`
    const reason = `about ${mebibytes(needed)} are needed at ${folder}, ${mebibytes(bavail * bsize)} are free`
    throw environmentError(model, folder, reason, { fix: 'Free some space on that disk.' })
  }
}

async function wheelBytes(packageFolder: string): Promise<number> {
  const folder = join(packageFolder, 'wheels')
  const names = await readdir(folder).catch(() => [])
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

function failed(plan: EnvironmentPlan, what: string, end: ProgramEnd): unknown {
  const { model, packageFolder, timeoutMs } = plan
  const lines = end.tail.split('\n').filter((line) => line.trim() !== '')
  const errors = lines.filter((line) => /^\s*error:/i.test(line))
  const shown = (errors.length > 0 ? errors : lines).slice(-linesShown)
  const said = shown.map((line) => line.trim().slice(0, lineCharsMax)).join('; ')
  const how = end.timedOut
    ? `${what} was not done after ${timeoutMs / 1000} s (models.python.buildTimeout)`
    : `${what} ${end.code === undefined ? 'was killed' : `ended with exit ${end.code}`}`
  const reason = said === '' ? how : `${how}: ${said}`
  const where = join(packageFolder, 'requirements.txt')
  return environmentError(model, where, reason, { output: end.tail.trim() })
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ')
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown
}

import { spawnSync } from 'node:child_process'

/** CI sets this: what is not installed is then a failure, not a skipped test. */
const allRequired = process.env['EDGEBOOT_TEST_REQUIRE_ALL'] === '1'

/**
 * For `test(name, { skip: needs('mosquitto') }, …)`: false when the command is there, else the
 * reason to skip. Where CI asks for everything it throws instead.
 *
 * @param command - Looked for on the PATH, or an absolute path.
 * @param install - How to get it, such as `apt-get install mosquitto`.
 */
export function needs(command: string, install: string): false | string {
  const probe = spawnSync('sh', ['-c', `command -v "$1"`, 'sh', command])
  return answer(probe.status === 0, command, install)
}

/** The same for a Python module of one interpreter. */
export function needsModule(python: string, module: string, install: string): false | string {
  const probe = spawnSync(python, ['-c', `import ${module}`])
  return answer(probe.status === 0, `${module} for ${python}`, install)
}

function answer(present: boolean, what: string, install: string): false | string {
  if (present) return false
  const reason = `${what} is not installed (${install})`
  if (allRequired) throw new Error(`${reason}, and EDGEBOOT_TEST_REQUIRE_ALL=1 asks for everything`)
  return `SKIPPED: ${reason}`
}

/**
 * For tests of what only a registry has, such as TensorFlow: they are an extra, which CI skips too.
 *
 * @param variable - Of the environment; names what the test needs once it is there.
 * @returns What it names, and false or the reason to skip.
 */
export function extra(variable: string, how: string): { path: string; skip: false | string } {
  const path = process.env[variable] ?? ''
  return { path, skip: path === '' ? `SKIPPED, an extra: set ${variable}, or run ${how}` : false }
}

/** Variables of the host that a model may see, by name. */
const passedOn: ReadonlySet<string> = new Set([
  'PATH',
  'HOME',
  'LANG',
  'TZ',
  'TMPDIR',
  'LD_LIBRARY_PATH',
  'PYTHONPATH',
  'VIRTUAL_ENV',
  'EDGEBOOT_PYTHON',
  'PYBOOT_HOME',
])

/**
 * The whole environment of a runner: the few variables that a program needs to find itself and its
 * libraries, and what the func gives it. Nothing else of the host's environment, where brokers'
 * passwords may be.
 *
 * @param hostEnv - Environment of the host.
 * @param funcEnv - The func's own variables; they win.
 */
export function runnerEnvironment(
  hostEnv: Readonly<Record<string, string | undefined>>,
  funcEnv: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(hostEnv)) {
    const allowed = passedOn.has(name) || name.startsWith('LC_')
    if (allowed && value !== undefined) env[name] = value
  }
  return { ...env, ...funcEnv }
}

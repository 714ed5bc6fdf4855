/**
 * Variables of the main process that a host needs: where to find programs and certificates, how
 * to write dates, and where to write coverage in tests. Everything else, secrets included, stays
 * behind: what a host must know, it is told over the channel.
 */
const passedOn = [
  'PATH',
  'HOME',
  'TMPDIR',
  'TZ',
  'LANG',
  'LC_ALL',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_V8_COVERAGE',
] as const

/** @param environment - Of the main process. */
export function hostEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const chosen: Record<string, string> = {}
  for (const name of passedOn) {
    const value = environment[name]
    if (value !== undefined) chosen[name] = value
  }
  return chosen
}

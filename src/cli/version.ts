import { readFileSync } from 'node:fs'

/** Version of this package, from its own package.json: one level above `src` and above `dist`. */
export function edgebootVersion(): string {
  const file = new URL('../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  return version
}

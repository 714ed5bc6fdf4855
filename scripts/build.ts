/** Builds `dist` from `src`: what is published is JavaScript, since Node strips no types there. */
import { execFileSync } from 'node:child_process'
import { chmodSync, globSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

rmSync('dist', { recursive: true, force: true })
execFileSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' })
chmodSync('dist/main.js', 0o755)
const published = declarationsOf(join('dist', 'index.d.ts'), new Set())
for (const file of globSync('dist/**/*.d.ts')) if (!published.has(file)) rmSync(file)

/** A declaration and all that it names: nobody can import the others. They were a fifth of the package. */
function declarationsOf(file: string, found: Set<string>): ReadonlySet<string> {
  if (found.has(file)) return found
  found.add(file)
  const text = readFileSync(file, 'utf8')
  for (const [, path = ''] of text.matchAll(/(?:from |import\()'(\.[^']+)\.[jt]s'/g)) {
    declarationsOf(join(dirname(file), `${path}.d.ts`), found)
  }
  return found
}

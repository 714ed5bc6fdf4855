import { dirname, resolve } from 'node:path'
import type { ConfigPath } from './config-node.ts'
import type { PlanContext } from './plan-context.ts'

/**
 * The secret that stands in the file or in a file of its own, of which one newline at the end is
 * taken off. No message repeats it.
 *
 * @param secret.key - `password` for the keys `password` and `passwordFile`.
 */
export function readSecret(
  context: PlanContext,
  path: ConfigPath,
  secret: { key: string; value: string | undefined; file: string | undefined },
): string | undefined {
  const { key, value, file } = secret
  if (file === undefined) return value
  const filePath = [...path, `${key}File`]
  if (value !== undefined) {
    context.error(filePath, `${key} and ${key}File are both given`, 'keep one of them')
    return value
  }
  const absolute = resolve(dirname(context.surroundings.file), file)
  try {
    return context.surroundings.readSecret(absolute).replace(/\r?\n$/, '')
  } catch (thrown) {
    const why = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown error'
    context.error(
      filePath,
      `${absolute} cannot be read: ${why}`,
      'check the path and who may read it',
    )
    return undefined
  }
}

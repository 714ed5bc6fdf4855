import { dirname, resolve } from 'node:path'
import { parsePublicKey } from '../core/minisign.ts'
import type { PlanContext } from './plan-context.ts'
import type { ModelProof } from './settings.ts'

/** What packages must have: the policy, and keys that may stand in the file or in files of their own. */
export function planModelProof(context: PlanContext): ModelProof {
  const { models } = context.config
  const require = models?.require ?? 'none'
  const keys = (models?.keys ?? []).flatMap((text, index) => readKey(context, text, index))
  if (require === 'signature' && (models?.keys ?? []).length === 0) {
    const message = 'models.require is signature, but models.keys names nobody to be trusted'
    context.error(['models', 'require'], message, 'add the public keys of those who sign')
  }
  return { require, keys: [...new Set(keys)] }
}

function readKey(context: PlanContext, text: string, index: number): string[] {
  const path = ['models', 'keys', index]
  const inPlace = parsePublicKey(text.trim())
  if (inPlace !== undefined) return [inPlace.text]
  const file = resolve(dirname(context.surroundings.file), text)
  const fix = 'give the one line that minisign prints, or the path of the .pub file'
  try {
    const key = parsePublicKey(context.surroundings.readSecret(file))
    if (key !== undefined) return [key.text]
    context.error(path, `${file} holds no public key of minisign`, fix)
  } catch (thrown) {
    const why = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown error'
    const message = `${JSON.stringify(text)} is no public key of minisign, and no file that can be read: ${why}`
    context.error(path, message, fix)
  }
  return []
}

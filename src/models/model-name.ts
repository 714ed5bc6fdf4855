import { EdgebootError } from '../core/errors.ts'

/** Longest model name, bytes of UTF-8: with `.json` behind it, it is still a file name everywhere. */
const nameBytesMax = 200

/**
 * Makes sure that a model name can be the name of a folder, and of nothing outside that folder.
 * Any script is welcome; separators, control characters and a leading dot are not.
 *
 * @throws `CONFIG_INVALID` that says what is wrong with the name.
 */
export function assertModelName(name: string): void {
  const fault = nameFault(name)
  if (fault === undefined) return
  throw new EdgebootError('CONFIG_INVALID', `the model name ${JSON.stringify(name)} ${fault}`, {
    fix: 'Give modelName a plain name: it becomes the name of a folder under the models folder.',
  })
}

function nameFault(name: string): string | undefined {
  if (name.trim() === '') return 'is empty'
  if (name.startsWith('.')) return 'starts with a dot'
  if (/[/\\]/.test(name)) return 'contains a path separator'
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'contains a control character'
  if (!name.isWellFormed()) return 'is not valid Unicode'
  const bytes = Buffer.byteLength(name)
  if (bytes > nameBytesMax) return `is ${bytes} bytes long, more than ${nameBytesMax}`
  return undefined
}

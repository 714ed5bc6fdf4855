/** Longest model name, bytes of UTF-8: with `.json` behind it, it is still a file name everywhere. */
const nameBytesMax = 200

/**
 * Why a text cannot be the name of a model, or `undefined` when it can. The name becomes that of a
 * folder, and must lead to nothing outside it: any script is welcome; separators, control
 * characters and a leading dot are not.
 *
 * @returns A clause that follows the name, such as `begins with a dot`.
 */
export function modelNameFault(name: string): string | undefined {
  if (name.startsWith('.')) return 'begins with a dot'
  if (/[/\\]/.test(name)) return 'has a path separator'
  if (/\p{Cc}/u.test(name)) return 'has a control character'
  if (!name.isWellFormed()) return 'is not valid Unicode'
  if (name.trim() === '') return 'is blank'
  return Buffer.byteLength(name) > nameBytesMax ? `is longer than ${nameBytesMax} bytes` : undefined
}

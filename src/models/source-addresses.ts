import { join } from 'node:path'
import type { ModelSource, ModelsSettings } from '../config/settings.ts'
import { isRemoteAddress } from './package-address.ts'
import { pathKind } from './path-kind.ts'

/**
 * Where the package of a model is looked for, in this order. A zip put into the models folder by
 * hand goes before the network unless the policy is `always`.
 */
export async function sourceAddresses(
  { name, address, mirrors = [] }: ModelSource,
  { download, folder }: Pick<ModelsSettings, 'download' | 'folder'>,
): Promise<string[]> {
  const zip = join(folder, `${name}.zip`)
  const placed = (await pathKind(zip)) === 'file' ? [zip] : []
  if (address === undefined) return placed
  const configured = [address, ...mirrors].filter(
    (one) => download !== 'never' || !isRemoteAddress(one),
  )
  const isNetworkFirst = download === 'always' && isRemoteAddress(address)
  return [...new Set(isNetworkFirst ? [...configured, ...placed] : [...placed, ...configured])]
}

/**
 * The address under which it is remembered what came from where: a mirror is a copy of the first.
 */
export function mirroredAddress({ address, mirrors = [] }: ModelSource, from: string): string {
  return address !== undefined && mirrors.includes(from) ? address : from
}

/**
 * Where the signature of what an address has is, if the configuration says so. A zip put there by
 * hand has its own beside it, whatever the configuration says of another.
 */
export function configuredSignature(
  { address, mirrors = [], signature }: ModelSource,
  from: string,
  { download }: Pick<ModelsSettings, 'download'>,
): string | undefined {
  if (signature === undefined || (download === 'never' && isRemoteAddress(signature))) {
    return undefined
  }
  return from === address || mirrors.includes(from) ? signature : undefined
}

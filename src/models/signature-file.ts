import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { asEdgebootError } from '../core/errors.ts'
import { minisignTextMax } from '../core/minisign.ts'
import { downloadFile, type DownloadOptions } from './http-download.ts'
import { displayAddress, isRemoteAddress } from './package-address.ts'
import { signatureMissing } from './package-proof.ts'

/** Where the signature of a package is unless the configuration says so: `.minisig` behind its path. */
export function signatureAddress(address: string): string {
  const url = isRemoteAddress(address) ? URL.parse(address) : null
  if (url === null) return `${address}.minisig`
  url.pathname += '.minisig'
  return url.href
}

/**
 * The text of a signature, not checked.
 *
 * @param address - `http(s)://…` or an absolute path.
 * @param folder - Temporary, for a download.
 * @throws `MODEL_SIGNATURE_MISSING` when there is none, `MODEL_DOWNLOAD_FAILED` when that is not
 * known, the reason of the signal.
 */
export async function readSignature(
  model: string,
  address: string,
  folder: string,
  options: DownloadOptions,
): Promise<string> {
  const where = displayAddress(address)
  if (!isRemoteAddress(address)) {
    try {
      const { size } = await stat(address)
      if (size > minisignTextMax) throw signatureMissing(model, where, 'that file is too large')
      return await readFile(address, 'utf8')
    } catch (thrown) {
      if (thrown instanceof Error && 'errno' in thrown) {
        throw signatureMissing(model, where, (thrown as NodeJS.ErrnoException).code ?? 'unreadable')
      }
      throw thrown
    }
  }
  const file = join(folder, 'package.minisig')
  const limits = { ...options.limits, packageBytesMax: minisignTextMax }
  try {
    await downloadFile(address, file, { ...options, limits })
    return await readFile(file, 'utf8')
  } catch (thrown) {
    const { code, message } = asEdgebootError(thrown)
    if (code === 'MODEL_DOWNLOAD_REFUSED') throw signatureMissing(model, where, message)
    if (code === 'MODEL_PACKAGE_TOO_LARGE') {
      throw signatureMissing(model, where, 'what is there is too large for one')
    }
    throw thrown
  } finally {
    await rm(file, { force: true })
  }
}

import { join } from 'node:path'
import type { ModelSource } from '../config/settings.ts'
import { EdgebootError } from '../core/errors.ts'
import { displayAddress } from './package-address.ts'

/**
 * Says that a model is not on the disk and that there is nowhere to fetch it from:
 * `MODEL_DOWNLOAD_FORBIDDEN` when it has an address, else `MODEL_NOT_FOUND`.
 *
 * @param folder - The models folder.
 */
export function nowhereError(source: ModelSource, folder: string): EdgebootError {
  const { name, address } = source
  if (address !== undefined) {
    return new EdgebootError(
      'MODEL_DOWNLOAD_FORBIDDEN',
      `model '${name}' is not on the disk, and downloads are forbidden (${displayAddress(address)})`,
      {
        details: { where: join(folder, name), model: name },
        fix: `Put the model at ${join(folder, name)} or ${join(folder, name)}.zip, or allow downloads: models.download, DOWNLOAD_MODEL.`,
      },
    )
  }
  const wanted =
    source.module === undefined
      ? `${join(folder, name)}/ or ${join(folder, name)}.zip`
      : `${join(folder, ...source.module.name.split('.'))}.py or ${join(folder, name)}.zip`
  return new EdgebootError('MODEL_NOT_FOUND', `model '${name}' is not on the disk: no ${wanted}`, {
    details: { where: folder, model: name },
  })
}

/** Says that an address is neither one to download from nor one of the disk: `CONFIG_INVALID`. */
export function unsupportedAddressError(model: string, address: string): EdgebootError {
  return new EdgebootError(
    'CONFIG_INVALID',
    `the address of model '${model}' is neither http(s) nor an absolute path: ${displayAddress(address)}`,
    {
      details: { model },
      fix: 'Give modelAddress an http(s) address, or the path of a zip or a folder.',
    },
  )
}

/** Says that the only version of a model that can be had was refused before: `MODEL_HELD_BACK`. */
export function heldBackError(model: string, version: string, reason: string): EdgebootError {
  return new EdgebootError(
    'MODEL_HELD_BACK',
    `version ${version} of model '${model}' is held back: ${reason}`,
    {
      details: { model, version },
      fix: `Give the func another package; or let this one run all the same: edgeboot model activate ${model} ${version}`,
    },
  )
}

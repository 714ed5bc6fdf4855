import type { ModelProof, ModelsSettings } from '../../src/config/settings.ts'

/** Every package is taken. */
export const noProof: ModelProof = { require: 'none', keys: [] }

/** Generous limits; a test names the one that it is about. */
export const roomyLimits: ModelsSettings['limits'] = {
  packageBytesMax: 64 * 1024 * 1024,
  unpackedBytesMax: 256 * 1024 * 1024,
  entriesMax: 1000,
  ratioMax: 200,
  idleMs: 30_000,
  totalMs: 60_000,
}

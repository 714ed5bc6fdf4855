import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { plainZip } from '../test/support/zip-bytes.ts'

interface VersionedModel {
  readonly entry: string
  /** A model that writes its version into its result. */
  readonly code: (version: number) => string
}

const models = {
  python: {
    entry: 'index.py',
    code: (version) =>
      `def handler(event, context):\n    return {**event, "version": ${version}}\n`,
  },
  typescript: {
    entry: 'index.ts',
    code: (version) =>
      'export function handler(event: Record<string, unknown>) {\n' +
      `  return { ...event, version: ${version} }\n}\n`,
  },
} satisfies Record<string, VersionedModel>

/** The language of a model that is swapped. */
export type SwapLanguage = keyof typeof models

/** In the order in which they are measured. */
export const swapLanguages = Object.keys(models) as readonly SwapLanguage[]

/** The version as edgeboot shows it. */
export function shownVersion(version: number): string {
  return `1.0.${version}`
}

/** Where a version is, from the folder of the configuration. */
export function packagePath(version: number): string {
  return `packages/v${version}.zip`
}

/** Writes the versions 1 to `count`, each with a manifest and samples that it alone passes. */
export async function writeVersions(
  folder: string,
  language: SwapLanguage,
  count: number,
): Promise<void> {
  const { entry, code }: VersionedModel = models[language]
  await mkdir(join(folder, 'packages'))
  for (let version = 1; version <= count; version++) {
    const event = { key: 0, n: 0 }
    const zip = await plainZip({
      'model.yaml': `name: swapped\nversion: ${shownVersion(version)}\nentry: ${entry}\n`,
      [entry]: code(version),
      'tests/samples.json': JSON.stringify([{ event, expect: { ...event, version } }]),
    })
    await writeFile(join(folder, packagePath(version)), zip)
  }
}

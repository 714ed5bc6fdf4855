import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { readManifest } from '../../src/config/manifest/read-manifest.ts'
import {
  formatsOf,
  type ModelKind,
  runsInPython,
  runtimeKinds,
} from '../../src/core/model-kinds.ts'
import { detectEntry } from '../../src/models/detect-entry.ts'
import { sharesHost } from '../../src/models/model-package.ts'
import { codeWords, MarkdownPage, root } from '../support/markdown.ts'

const page = MarkdownPage.read('docs/models.md')
const kinds = page.rows('runtime').map(([runtime = '', format = '', ...rest]) => {
  const [, runsIn = '', , , example = ''] = rest
  const [, folder = ''] = /\(\.\.\/(.+)\)/.exec(example) ?? []
  return { runtime: codeWords(runtime)[0], format: codeWords(format)[0], runsIn, folder }
})

test('the table of kinds has every runtime with every format, and no other', () => {
  const all = runtimeKinds.flatMap((runtime) =>
    formatsOf[runtime].map((format) => `${runtime} ${format}`),
  )
  assert.deepEqual(
    kinds.map(({ runtime, format }) => `${runtime} ${format}`).toSorted(),
    all.toSorted(),
  )
})

for (const { runtime, format, runsIn, folder } of kinds) {
  test(`the example of ${runtime} ${format} is one, and runs where the table says`, async () => {
    const kind = await kindOf(join(root, folder))
    assert.deepEqual([kind.runtime, kind.format], [runtime, format])
    const place = runsInPython(kind)
      ? 'a Python process'
      : sharesHost(kind)
        ? 'a thread of the host'
        : kind.runtime === 'exec'
          ? 'a process of its own'
          : 'a Node process'
    assert.equal(runsIn, place)
  })
}

/** A program is built from its source first: of that one the manifest has to do. */
async function kindOf(folder: string): Promise<ModelKind> {
  const manifest = await readManifest(join(folder, 'model.yaml')).catch(() => undefined)
  if (manifest?.runtime === 'exec') return { runtime: 'exec', format: manifest.format ?? 'program' }
  return await detectEntry(folder, 'example', readManifest)
}

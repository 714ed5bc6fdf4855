import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { manifestSchema } from '../../src/config/manifest/manifest-schema.ts'
import { readManifest } from '../../src/config/manifest/read-manifest.ts'
import { catalogue } from '../../src/core/error-catalogue.ts'
import { limits } from '../../src/core/limits.ts'
import { modelFormats } from '../../src/core/model-kinds.ts'
import type { InferOutcome } from '../../src/runtime/runner.ts'
import { needsPython } from '../support/python-interpreters.ts'
import { published, RunningModel, withModelFolder } from '../support/running-model.ts'

const page = readFileSync(
  join(import.meta.dirname, '..', '..', 'docs', 'writing-models.md'),
  'utf8',
)

/** A model of the page: `<!-- FILE answers EVENT with RESULT -->` above its entry file. */
interface Snippet {
  readonly entry: string
  readonly files: Readonly<Record<string, string>>
  readonly event: unknown
  readonly expected: string
}

/** Files that stand before an entry, `<!-- FILE -->`, belong to its model. */
function snippetsOf(text: string): Snippet[] {
  const snippets: Snippet[] = []
  let files: Record<string, string> = {}
  const blocks = text.matchAll(/<!-- (\S+)(?: answers (.+) with (.+))? -->\n```\w+\n([^]*?)\n```/g)
  for (const [, file = '', event, expected, code = ''] of blocks) {
    files[file] = `${code}\n`
    if (event === undefined || expected === undefined) continue
    snippets.push({ entry: file, files, event: JSON.parse(event), expected })
    files = {}
  }
  return snippets
}

async function answer({ entry, files, event }: Snippet): Promise<InferOutcome | undefined> {
  return withModelFolder(files, async (folder) => {
    const runtime = entry.endsWith('.py') ? 'python' : 'javascript'
    const running = new RunningModel({ runtime, entry, folder })
    await running.start()
    const { outcomes } = await running.infer([event], [{ topic: 't', device: 'pump-1' }])
    await running.stop()
    return outcomes[0]
  })
}

const snippets = snippetsOf(page)

test('finds the snippets of docs/writing-models.md', () => {
  assert.ok(snippets.length >= 8, `${snippets.length} snippets`)
})

for (const [i, snippet] of snippets.entries()) {
  const title = `snippet ${i + 1} of docs/writing-models.md, ${snippet.entry}, answers as the page says`
  const skip = snippet.entry.endsWith('.py') && needsPython
  test(title, { skip }, async () => {
    const outcome = await answer(snippet)
    if (snippet.expected === 'an error') assert.equal(outcome?.kind, 'error')
    else assert.equal(published(outcome), snippet.expected)
  })
}

test('the manifest of docs/writing-models.md is valid', async () => {
  const block = /<!-- model\.yaml is a valid manifest -->\n```yaml\n([^]*?\n)```/.exec(page)
  await withModelFolder({ 'model.yaml': block?.[1] ?? '' }, async (folder) => {
    const manifest = await readManifest(join(folder, 'model.yaml'))
    assert.deepEqual(manifest.inputs[0]?.paths[2], ['telemetry', 'spectrum', 3])
    assert.equal(manifest.memoryBytesMax, 512 * 1024 ** 2)
  })
})

test('docs/writing-models.md has every key of a manifest', () => {
  for (const key of Object.keys(manifestSchema.shape)) assert.ok(page.includes(`\`${key}\``), key)
  for (const format of modelFormats) assert.ok(page.includes(`\`${format}\``), format)
})

test('docs/writing-models.md names codes that there are', () => {
  for (const [code] of page.matchAll(/\b(?:MODEL|RUNNER)_[A-Z_]+\b/g)) {
    assert.ok(Object.hasOwn(catalogue, code), code)
  }
})

test('docs/writing-models.md names the limits that hold', () => {
  assert.ok(page.includes(`cut after ${limits.printedLineCharsMax} characters`))
  assert.ok(page.includes(`more than ${limits.printedLinesPerSecond} lines per second`))
  assert.ok(page.includes(`may have up to ${limits.frameBytesMax / 2 / 1024 / 1024} MiB`))
  assert.ok(page.includes(`may take ${limits.eventMs / 1000} seconds`))
  assert.equal(limits.runnerStartMs, 2 * 60_000)
})

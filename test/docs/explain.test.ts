import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addExplainCommand } from '../../src/cli/explain.ts'
import { MarkdownPage } from '../support/markdown.ts'
import { Scratch } from '../support/scratch.ts'
import { runCommand } from '../unit/cli/run-command.ts'

const page = MarkdownPage.read('docs/explain.md')
const block = (language: string): string => {
  const found = page.codeBlocks.find((each) => each.language === language)
  assert.ok(found, `the page has no ${language}`)
  return found.content
}

test('the command of docs/explain.md prints what the page says', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('conf/config.yaml', block('yaml'))
  await scratch.write('message.json', block('json'))
  const args = block('sh').trim().split(' ').slice(1)
  const { stdout } = await runCommand(addExplainCommand, args, { cwd: scratch.folder })
  assert.equal(stdout.trim(), block('text').trim())
})

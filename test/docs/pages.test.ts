import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { allPages, MarkdownPage, root } from '../support/markdown.ts'

const pages = allPages()

test('finds the pages', () => {
  for (const page of ['README.md', 'README_zh.md', 'CONTRIBUTING.md', 'docs/configuration.md']) {
    assert.ok(pages.includes(page), page)
  }
})

for (const page of pages) {
  test(`every link of ${page} leads somewhere`, () => {
    for (const link of MarkdownPage.read(page).links) {
      if (link.startsWith('https://')) continue
      assert.doesNotMatch(link, /^[a-z]+:/, `${link} is neither https nor a file`)
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? join(root, page) : resolve(root, dirname(page), path)
      assert.ok(existsSync(target), `${link}: there is no ${target}`)
      if (anchor === undefined) continue
      const { anchors } = MarkdownPage.read(relative(root, target))
      assert.ok(anchors.includes(anchor), `${link}: no heading of that name`)
    }
  })

  test(`${page} has one title, and it comes first`, () => {
    const levels = MarkdownPage.read(page).headings.map(({ level }) => level)
    assert.equal(levels[0], 1)
    assert.equal(levels.filter((level) => level === 1).length, 1)
  })
}

test('docs/README.md lists every page of docs/, and says one line about each', () => {
  const index = MarkdownPage.read('docs/README.md')
  const listed = new Set(index.links)
  const others = pages.filter((page) => /^docs\/[^/]+\.md$/.test(page) && page !== 'docs/README.md')
  assert.ok(others.length >= 6)
  for (const page of others) {
    const link = relative('docs', page)
    assert.ok(listed.has(link), `${page} is not in the index`)
    assert.match(index.text, new RegExp(`^- \\[[^\\]]+\\]\\(${link}\\): .+\\.$`, 'm'))
  }
})

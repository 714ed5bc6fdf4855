import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The root of the repository. */
export const root = join(import.meta.dirname, '..', '..')

/** All pages of the repository, relative to its root. */
export function allPages(): readonly string[] {
  const foreign = new Set(['node_modules', 'dist', 'coverage', '.git'])
  return globSync('**/*.md', { cwd: root, exclude: (name) => foreign.has(name) }).toSorted()
}

/** A block of code: what stands behind the fence, and what it holds. */
export interface CodeBlock {
  readonly language: string
  readonly content: string
}

/** A Markdown page, taken apart as far as tests need it. */
export class MarkdownPage {
  readonly text: string
  readonly codeBlocks: readonly CodeBlock[]
  /** The text without its blocks of code. */
  readonly prose: string

  constructor(text: string) {
    this.text = text
    const fenced = /^```(.*)\n([^]*?)^```$/gm
    this.codeBlocks = [...text.matchAll(fenced)].map(([, language = '', content = '']) => {
      return { language, content }
    })
    this.prose = text.replaceAll(fenced, '')
  }

  /** @param path - Relative to the root of the repository. */
  static read(path: string): MarkdownPage {
    return new MarkdownPage(readFileSync(join(root, path), 'utf8'))
  }

  /** Headings with their level. */
  get headings(): readonly { readonly level: number; readonly text: string }[] {
    return [...this.prose.matchAll(/^(#{1,6}) (.+)$/gm)].map(([, marks = '', text = '']) => {
      return { level: marks.length, text }
    })
  }

  /** Names by which links reach the headings. */
  get anchors(): readonly string[] {
    return this.headings.map(({ text }) =>
      text
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    )
  }

  /** Targets of links, in order. What stands in inline code is no link. */
  get links(): readonly string[] {
    const text = this.prose.replaceAll(/`[^`\n]*`/g, '')
    return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
  }

  /** Rows of the tables whose head begins with this cell, without the head. */
  rows(firstHead: string): readonly (readonly string[])[] {
    const rows: string[][] = []
    let inside = false
    for (const line of this.prose.split('\n')) {
      if (!line.startsWith('|')) {
        inside = false
        continue
      }
      const cells = line.split(/(?<!\\)\|/).slice(1, -1)
      const [first = '', ...rest] = cells.map((cell) => cell.trim())
      if (first === firstHead) inside = true
      else if (inside && !/^-+$/.test(first)) rows.push([first, ...rest])
    }
    return rows
  }
}

/** Every word of a cell that stands in backquotes. */
export function codeWords(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word)
}

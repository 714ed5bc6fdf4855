import { child, items, textOf, type MapNode } from './config-node.ts'
import type { Findings } from './finding.ts'

const sections = [
  { section: 'mqtts', what: 'broker', suggestion: 'give it another name' },
  { section: 'rules', what: 'rule', suggestion: 'give it another name' },
  { section: 'funcs', what: 'func', suggestion: 'give this one a name of its own: name: …' },
] as const

/**
 * Finds names that are there twice. Looks at the tree before the schema does, so that an entry
 * that is faulty otherwise is compared too.
 */
export function findDuplicateNames(root: MapNode, findings: Findings): void {
  // An edge of v0 is a broker, a rule and a func at once: one finding will do.
  const told = new Set<object>()
  for (const { section, what, suggestion } of sections) {
    const lines = new Map<string, number>()
    for (const [index, item] of items(child(root, section)).entries()) {
      const node =
        child(item, 'name') ?? (section === 'funcs' ? child(item, 'modelName') : undefined)
      const name = textOf(node) ?? (section === 'rules' ? `rule-${index + 1}` : undefined)
      if (name === undefined) continue
      const at = node?.at ?? item.at
      const earlier = lines.get(name)
      if (earlier === undefined) lines.set(name, at.line)
      else if (!told.has(at)) {
        told.add(at)
        const message = `a second ${what} is called ${JSON.stringify(name)}; the first is in line ${earlier}`
        findings.error(at, `${section}[${index}].name`, message, suggestion)
      }
    }
  }
}

/** How a condition is put together, whether it was written in CEL or in Python. */
import type { ConditionNode } from './cel.ts'

/** How two values are compared, Python's words for it and CEL's being one. */
export type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in'

/** A part that compares two others. */
export interface Comparison {
  readonly operator: Operator
  readonly left: ConditionNode
  readonly right: ConditionNode
}

const pythonOperators: Readonly<Record<string, Operator>> = {
  pyEqual: '==',
  pyLess: '<',
  pyLessOrEqual: '<=',
  pyIn: 'in',
}

const negations: Readonly<Record<Operator, Operator>> = {
  '==': '!=',
  '!=': '==',
  '<': '>=',
  '<=': '>',
  '>': '<=',
  '>=': '<',
  in: 'not in',
  'not in': 'in',
}

const mirrored: Readonly<Partial<Record<Operator, Operator>>> = {
  '==': '==',
  '!=': '!=',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
}

/** A comparison with what the message has on its left, where that can be. */
export function comparisonOf(node: ConditionNode): Comparison | undefined {
  if (node.op === '!_') {
    const inner = comparisonOf(node.args)
    return inner === undefined ? undefined : { ...inner, operator: negations[inner.operator] }
  }
  const plain = plainComparison(node)
  if (plain === undefined) return undefined
  const { operator, left, right } = plain
  const swapped = mirrored[operator]
  return swapped !== undefined && isFixed(left) && !isFixed(right)
    ? { operator: swapped, left: right, right: left }
    : plain
}

function plainComparison(node: ConditionNode): Comparison | undefined {
  switch (node.op) {
    case '==':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
    case 'in':
      return { operator: node.op, left: node.args[0], right: node.args[1] }
    case 'call': {
      const [name, [left, right]] = node.args
      const operator = pythonOperators[name]
      if (operator === undefined || left === undefined || right === undefined) return undefined
      return { operator, left, right }
    }
    default:
      return undefined
  }
}

function isFixed(node: ConditionNode): boolean {
  return node.op === 'value' || node.op === '-_' || node.op === 'list'
}

/** The parts of `a && b`, and of pyboot's `a and b`, which is `a ? b : false`. */
export function conjuncts(node: ConditionNode): ConditionNode[] {
  if (node.op === '&&') return node.args.flatMap(conjuncts)
  if (node.op === '?:' && isLiteral(node.args[2], false)) {
    return [node.args[0], node.args[1]].flatMap(conjuncts)
  }
  return [node]
}

/** The parts of `a || b`, and of pyboot's `a or b`, which is `a ? true : b`. */
export function alternatives(node: ConditionNode): ConditionNode[] | undefined {
  if (node.op === '||') return [...node.args]
  if (node.op === '?:' && isLiteral(node.args[1], true)) return [node.args[0], node.args[2]]
  return undefined
}

function isLiteral(node: ConditionNode, value: boolean): boolean {
  return node.op === 'value' && node.args === value
}

/** What `!a` and pyboot's `a` by itself ask about. */
export function truthOf(node: ConditionNode): {
  readonly node: ConditionNode
  readonly negated: boolean
} {
  if (node.op === '!_') {
    const inner = truthOf(node.args)
    return { node: inner.node, negated: !inner.negated }
  }
  const argument = node.op === 'call' && node.args[0] === 'pyTrue' ? node.args[1][0] : undefined
  return { node: argument ?? node, negated: false }
}

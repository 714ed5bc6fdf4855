import { celPath, celString } from './cel-text.ts'
import { parsePythonCondition, type PythonExpression } from './python-expression.ts'
import { pythonTruth } from './python-semantics.ts'
import { refuse } from './python-tokens.ts'

/**
 * Translates pyboot's `'<attrValue>' <attrExpression>`, which it gave to Python's `eval`, to a
 * condition in CEL that `compilePredicate` takes and that holds for the same messages.
 *
 * Where CEL's own operator means the same, that is used, so that what people wrote most reads
 * naturally: `event.deviceInfo.deviceName == "x"`, `"x" in event.telemetry`. Elsewhere the `py…`
 * functions of `python-semantics.ts` stand in. `and` and `or` become the ternary unless at the
 * top: CEL's own `||` forgives an error on one side, where Python gives up.
 *
 * @param value - `attrValue`, quoted safely whatever it contains.
 * @param expression - `attrExpression`, in Python.
 * @throws EdgebootError `CONFIG_INVALID` naming what is not supported; `details.offset` is its
 * place in `expression`.
 */
export function translatePybootExpression(value: string, expression: string): string {
  return new Translation(expression).top(parsePythonCondition(value, expression))
}

class Translation {
  readonly #expression: string

  constructor(expression: string) {
    this.#expression = expression
  }

  top(node: PythonExpression): string {
    if (node.type !== 'and') return this.#truth(node)
    // An error on one side leaves `false` or the error: either way the condition does not hold.
    const texts = node.items.map((item) => operandOf(this.top(item), item))
    const needed = texts.filter((text) => text !== 'true')
    return needed.length === 0 ? 'true' : needed.join(' && ')
  }

  /** CEL of type bool. */
  #truth(node: PythonExpression): string {
    switch (node.type) {
      case 'not':
        return `!${parenthesised(this.#truth(node.operand))}`
      case 'and':
        return this.#chain(node.items, (left, right) => `(${left} ? ${right} : false)`)
      case 'or':
        return this.#chain(node.items, (left, right) => `(${left} ? true : ${right})`)
      case 'compare':
        return this.#comparison(node)
      case 'literal':
        return String(pythonTruth(node.value))
      default:
        return `pyTrue(${this.#value(node)})`
    }
  }

  #chain(
    nodes: readonly PythonExpression[],
    join: (left: string, right: string) => string,
  ): string {
    const texts = nodes.map((node) => {
      const text = this.#truth(node)
      return node.type === 'compare' ? parenthesised(text) : text
    })
    return texts.reduceRight((right, left) => join(left, right))
  }

  #comparison(node: PythonExpression & { type: 'compare' }): string {
    const { operator, left, right } = node
    switch (operator) {
      case '==':
        return this.#equality(left, right)
      case '!=':
        return `!${parenthesised(this.#equality(left, right))}`
      case 'in':
        return this.#membership(left, right)
      case 'not in':
        return `!${parenthesised(this.#membership(left, right))}`
      case '<':
        return `pyLess(${this.#value(left)}, ${this.#value(right)})`
      case '<=':
        return `pyLessOrEqual(${this.#value(left)}, ${this.#value(right)})`
      case '>':
        return `pyLess(${this.#value(right)}, ${this.#value(left)})`
      case '>=':
        return `pyLessOrEqual(${this.#value(right)}, ${this.#value(left)})`
    }
  }

  #equality(left: PythonExpression, right: PythonExpression): string {
    // A string equals nothing but a string, in both languages.
    if (isText(left) && isPath(right)) return `${this.#value(right)} == ${this.#value(left)}`
    if (isPath(left) && isText(right)) return `${this.#value(left)} == ${this.#value(right)}`
    return `pyEqual(${this.#value(left)}, ${this.#value(right)})`
  }

  #membership(left: PythonExpression, right: PythonExpression): string {
    if (isText(left) && isPath(right)) return `${this.#value(left)} in ${this.#value(right)}`
    const container = right.type === 'tuple' ? this.#list(right.items) : this.#value(right)
    return `pyIn(${this.#value(left)}, ${container})`
  }

  /** CEL of any type. */
  #value(node: PythonExpression): string {
    switch (node.type) {
      case 'literal':
        return celLiteral(node.value)
      case 'list':
        return this.#list(node.items)
      case 'tuple':
        throw refuse(
          this.#expression,
          node.offset,
          'has a tuple, which is supported after `in` alone',
        )
      case 'event':
        return 'event'
      case 'item':
        return this.#item(node)
      case 'and':
      case 'or':
        throw refuse(
          this.#expression,
          node.offset,
          `compares what \`${node.type}\` gives, which is not supported`,
        )
      default:
        return `(${this.#truth(node)})`
    }
  }

  #item(node: PythonExpression & { type: 'item' }): string {
    const { container, index } = node
    if (isText(index) && isPath(container)) return celPath(this.#value(container), index.value)
    return `pyItem(${this.#value(container)}, ${this.#value(index)})`
  }

  #list(items: readonly PythonExpression[]): string {
    return `[${items.map((item) => this.#value(item)).join(', ')}]`
  }
}

type TextLiteral = PythonExpression & { type: 'literal'; value: string }

function isText(node: PythonExpression): node is TextLiteral {
  return node.type === 'literal' && typeof node.value === 'string'
}

/** `event`, or keys of it: what CEL's checker leaves to run time. */
function isPath(node: PythonExpression): boolean {
  return node.type === 'event' || (node.type === 'item' && isPath(node.container))
}

function celLiteral(value: string | number | boolean | null): string {
  if (typeof value === 'string') return celString(value)
  if (typeof value !== 'number') return String(value)
  if (Object.is(value, -0)) return '0'
  if (Number.isSafeInteger(value)) return String(value)
  // A fraction, or a power of ten beyond 2^53: CEL asks for a sign of being a double.
  const text = String(value)
  return /[.e]/.test(text) ? text : `${text}.0`
}

/** An operand of `&&`: only the ternary binds looser, and that comes with its parentheses. */
function operandOf(text: string, node: PythonExpression): string {
  return node.type === 'or' ? parenthesised(text) : text
}

function parenthesised(text: string): string {
  return text.startsWith('(') && closesAtEnd(text) ? text : `(${text})`
}

/** Whether the parenthesis that opens the text is the one that closes it. */
function closesAtEnd(text: string): boolean {
  let depth = 0
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    if (quoted && character === '\\') i += 1
    else if (character === '"') quoted = !quoted
    else if (!quoted && character === '(') depth += 1
    else if (!quoted && character === ')' && --depth === 0) return i === text.length - 1
  }
  return false
}

import { refuse, tokenizePython, type PythonToken } from './python-tokens.ts'
import { nearestWord } from './nearest-word.ts'

/** A condition of pyboot, parsed. */
export type PythonExpression =
  | {
      readonly type: 'and' | 'or'
      readonly items: readonly PythonExpression[]
      readonly offset: number
    }
  | { readonly type: 'not'; readonly operand: PythonExpression; readonly offset: number }
  | {
      readonly type: 'compare'
      readonly operator: PythonComparison
      readonly left: PythonExpression
      readonly right: PythonExpression
      readonly offset: number
    }
  | {
      readonly type: 'literal'
      readonly value: string | number | boolean | null
      readonly offset: number
    }
  | {
      readonly type: 'list' | 'tuple'
      readonly items: readonly PythonExpression[]
      readonly offset: number
    }
  /** `data_to_dict`. */
  | { readonly type: 'event'; readonly offset: number }
  | {
      readonly type: 'item'
      readonly container: PythonExpression
      readonly index: PythonExpression
      readonly offset: number
    }

export type PythonComparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in'

const comparisons: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=', 'in'])

const constants: Readonly<Record<string, boolean | null>> = { True: true, False: false, None: null }

/** Deeper nesting is refused: the parser and CEL both recurse. */
const depthMax = 40

/**
 * Parses `'<value>' <expression>`, as pyboot gave it to Python's `eval`: comparisons, `in`,
 * `not in`, `and`, `or`, `not`, parentheses, literals, lists, and paths of `data_to_dict[…]`.
 *
 * @param value - The text in front; quotes and backslashes in it are text, never code.
 * @throws EdgebootError `CONFIG_INVALID` naming the token that is not supported; `details.offset`
 * is its place in `expression`.
 */
export function parsePythonCondition(value: string, expression: string): PythonExpression {
  const tokens = tokenizePython(expression)
  return new Parser(expression, [{ kind: 'string', value, offset: 0 }, ...tokens]).parse()
}

class Parser {
  readonly #expression: string
  readonly #tokens: readonly PythonToken[]
  #next = 0
  #depth = 0

  constructor(expression: string, tokens: readonly PythonToken[]) {
    this.#expression = expression
    this.#tokens = tokens
  }

  parse(): PythonExpression {
    const expression = this.#or()
    if (this.#token.kind !== 'end') throw this.#refuseToken()
    return expression
  }

  get #token(): PythonToken {
    const token = this.#tokens[this.#next] ?? this.#tokens.at(-1)
    if (token === undefined) throw refuse(this.#expression, 0, 'is empty')
    return token
  }

  /** Whether the next token is this word or operator; steps over it if so. */
  #take(text: string): boolean {
    const token = this.#token
    if (token.kind !== 'name' && token.kind !== 'operator') return false
    if (token.text !== text) return false
    this.#next += 1
    return true
  }

  #expect(text: string): void {
    if (!this.#take(text)) {
      throw refuse(
        this.#expression,
        this.#token.offset,
        `lacks ${text} before ${describe(this.#token)}`,
      )
    }
  }

  #or(): PythonExpression {
    const offset = this.#token.offset
    if (++this.#depth > depthMax) throw refuse(this.#expression, offset, 'is nested too deep')
    const items = [this.#and()]
    while (this.#take('or')) items.push(this.#and())
    this.#depth -= 1
    return items.length === 1 && items[0] ? items[0] : { type: 'or', items, offset }
  }

  #and(): PythonExpression {
    const offset = this.#token.offset
    const items = [this.#not()]
    while (this.#take('and')) items.push(this.#not())
    return items.length === 1 && items[0] ? items[0] : { type: 'and', items, offset }
  }

  #not(): PythonExpression {
    const offset = this.#token.offset
    let negations = 0
    while (this.#take('not')) negations += 1
    let expression = this.#comparison()
    // An even number of `not` still makes a truth value of its operand.
    for (let i = negations > 2 ? 2 - (negations % 2) : negations; i > 0; i--) {
      expression = { type: 'not', operand: expression, offset }
    }
    return expression
  }

  #comparison(): PythonExpression {
    const left = this.#operand()
    const offset = this.#token.offset
    const operator = this.#comparisonOperator()
    if (operator === undefined) return left
    const right = this.#operand()
    const second = this.#token
    if (this.#comparisonOperator() !== undefined) {
      const text = second.kind === 'operator' || second.kind === 'name' ? second.text : ''
      throw refuse(
        this.#expression,
        second.offset,
        `chains comparisons: a second ${text} follows ${operator}; join two comparisons with \`and\``,
      )
    }
    return { type: 'compare', operator, left, right, offset }
  }

  #comparisonOperator(): PythonComparison | undefined {
    const token = this.#token
    if (token.kind !== 'name' && token.kind !== 'operator') return undefined
    if (token.text === 'not') {
      this.#next += 1
      this.#expect('in')
      return 'not in'
    }
    if (!comparisons.has(token.text)) return undefined
    this.#next += 1
    return token.text as PythonComparison
  }

  #operand(): PythonExpression {
    let expression = this.#atom()
    for (;;) {
      const offset = this.#token.offset
      if (this.#take('[')) {
        const index = this.#or()
        if (this.#take(':'))
          throw refuse(this.#expression, offset, 'takes a slice, which is not supported')
        this.#expect(']')
        expression = { type: 'item', container: expression, index, offset }
      } else if (this.#take('.')) {
        const attribute = describe(this.#token)
        throw refuse(
          this.#expression,
          offset,
          `asks for the attribute ${attribute}, which the message has not: write ['…'] for a key; calls are not supported`,
        )
      } else if (this.#take('(')) {
        throw refuse(this.#expression, offset, 'calls a function, which is not supported')
      } else {
        return expression
      }
    }
  }

  #atom(): PythonExpression {
    const token = this.#token
    const { offset } = token
    this.#next += 1
    if (token.kind === 'number') return { type: 'literal', value: token.value, offset }
    if (token.kind === 'string')
      return { type: 'literal', value: this.#joined(token.value), offset }
    if (token.text === '-' && token.kind === 'operator') return this.#negative(offset)
    if (token.text === '[' || token.text === '(') return this.#sequence(token.text, offset)
    if (token.kind === 'name') {
      if (token.text === 'data_to_dict') return { type: 'event', offset }
      const constant = Object.hasOwn(constants, token.text) ? constants[token.text] : undefined
      if (constant !== undefined) return { type: 'literal', value: constant, offset }
    }
    this.#next -= 1
    throw this.#refuseToken()
  }

  /** Python joins string literals that stand side by side. */
  #joined(first: string): string {
    let value = first
    for (let token = this.#token; token.kind === 'string'; token = this.#token) {
      value += token.value
      this.#next += 1
    }
    return value
  }

  #negative(offset: number): PythonExpression {
    const token = this.#token
    if (token.kind !== 'number') {
      throw refuse(this.#expression, offset, 'calculates with -, which is not supported')
    }
    this.#next += 1
    return { type: 'literal', value: -token.value, offset }
  }

  #sequence(open: '[' | '(', offset: number): PythonExpression {
    const close = open === '[' ? ']' : ')'
    const items: PythonExpression[] = []
    let commas = 0
    while (!this.#take(close)) {
      items.push(this.#or())
      if (this.#take(',')) commas += 1
      else {
        this.#expect(close)
        break
      }
    }
    const [only] = items
    if (open === '(' && commas === 0 && only !== undefined) return only
    return { type: open === '[' ? 'list' : 'tuple', items, offset }
  }

  #refuseToken(): Error {
    const token = this.#token
    const { offset } = token
    if (token.kind === 'end') return refuse(this.#expression, offset, 'ends too early')
    if (token.kind === 'name') {
      const meant = nearestWord(token.text, [
        'data_to_dict',
        'and',
        'or',
        'not',
        'in',
        ...Object.keys(constants),
      ])
      const hint = meant === undefined ? '' : `; did you mean ${meant}?`
      return refuse(
        this.#expression,
        offset,
        `uses ${token.text}, which is not supported here${hint}`,
      )
    }
    return refuse(this.#expression, offset, `has ${describe(token)} where it is not supported`)
  }
}

function describe(token: PythonToken): string {
  if (token.kind === 'string') return 'a string'
  return token.text
}

import type { Opcode } from './pickle-opcodes.ts'
import { resolvedModule } from './pickle-names.ts'
import { mark, none, other, type PickleValue } from './pickle-value.ts'

/** Things on the stack, marks included, and things remembered. */
const itemsMax = 2_000_000
/** Texts that are kept for being names; beyond, a name is one that cannot be told. */
const keptCharsMax = 16 * 1024 * 1024
const tupleItemsMax = 64
const entriesMax = 64

/** What a pickle does besides putting values together. None of these may throw. */
export interface PickleWatcher {
  /** It names something, which Python imports. */
  named(module: string, name: string): void
  /** It calls something. */
  called(callee: PickleValue, args: PickleValue): void
  /** It changes what a name leads to, and not something of its own. */
  changed(target: PickleValue): void
  /** It does what cannot be followed. */
  obscure(what: string): void
}

/** A pickle that Python would not load either, or one that is too large to follow. */
export class PickleFault extends Error {
  override readonly name = 'PickleFault'
}

/**
 * Goes through a pickle without making anything of it: where an unpickler would have objects, this
 * has what they would be made of. Memory is bounded.
 */
export class PickleMachine {
  readonly #watcher: PickleWatcher
  readonly #stack: PickleValue[] = []
  readonly #memo = new Map<number, PickleValue>()
  #keptChars = 0
  /** What the last BUILD was about. */
  built: PickleValue = other

  constructor(watcher: PickleWatcher) {
    this.#watcher = watcher
  }

  /** @throws PickleFault */
  // oxlint-disable-next-line complexity -- one case for each opcode
  step({ name, argument }: Opcode): void {
    switch (name) {
      case 'PROTO':
      case 'FRAME':
      case 'STOP':
      case 'READONLY_BUFFER':
        return
      case 'MARK':
        return this.#push(mark)
      case 'POP':
        return void this.#stack.pop()
      case 'POP_MARK':
        return void this.#popMark()
      case 'DUP':
        return this.#push(this.#top())
      case 'STRING':
      case 'BINSTRING':
      case 'SHORT_BINSTRING':
      case 'UNICODE':
      case 'BINUNICODE':
      case 'SHORT_BINUNICODE':
      case 'BINUNICODE8':
        return this.#push(this.#text(argument))
      case 'INT':
      case 'LONG':
        return this.#push(number(Number.parseInt(String(argument), 10)))
      case 'BININT':
      case 'BININT1':
      case 'BININT2':
      case 'LONG1':
      case 'LONG4':
        return this.#push(typeof argument === 'number' ? number(argument) : other)
      case 'NONE':
        return this.#push(none)
      case 'NEWTRUE':
      case 'NEWFALSE':
      case 'FLOAT':
      case 'BINFLOAT':
      case 'BINBYTES':
      case 'SHORT_BINBYTES':
      case 'BINBYTES8':
      case 'BYTEARRAY8':
      case 'NEXT_BUFFER':
        return this.#push(other)
      case 'PERSID':
        return this.#push(other)
      case 'BINPERSID':
        this.#pop()
        return this.#push(other)
      case 'EXT1':
      case 'EXT2':
      case 'EXT4':
        this.#watcher.obscure('uses a name from the extension registry')
        return this.#push(other)
      case 'GLOBAL':
        return this.#pushGlobal(...pairOf(argument))
      case 'STACK_GLOBAL':
        return this.#stackGlobal()
      case 'INST': {
        const items = this.#popMark()
        const [module, inner] = pairOf(argument)
        const callee = this.#global(module, inner)
        return this.#call(callee, tuple(items))
      }
      case 'OBJ': {
        const [callee = other, ...items] = this.#popMark()
        return this.#call(callee, tuple(items))
      }
      case 'REDUCE':
      case 'NEWOBJ': {
        const args = this.#pop()
        return name === 'REDUCE' ? this.#call(this.#pop(), args) : this.#make(this.#pop(), args)
      }
      case 'NEWOBJ_EX': {
        this.#pop()
        const args = this.#pop()
        return this.#make(this.#pop(), args)
      }
      case 'BUILD': {
        const state = this.#pop()
        const target = this.#top()
        this.built = target
        if (target.kind === 'made') target.state = state
        return this.#refuseChange(target)
      }
      case 'TUPLE':
        return this.#push(tuple(this.#popMark()))
      case 'EMPTY_TUPLE':
        return this.#push(tuple([]))
      case 'TUPLE1':
        return this.#push(tuple(this.#popItems(1)))
      case 'TUPLE2':
        return this.#push(tuple(this.#popItems(2)))
      case 'TUPLE3':
        return this.#push(tuple(this.#popItems(3)))
      case 'EMPTY_LIST':
      case 'EMPTY_SET':
      case 'EMPTY_DICT':
        return this.#push({ kind: 'container', entries: new Map() })
      case 'LIST':
      case 'FROZENSET':
        this.#popMark()
        return this.#push({ kind: 'container', entries: new Map() })
      case 'DICT': {
        const target: PickleValue = { kind: 'container', entries: new Map() }
        this.#setItems(target, this.#popMark())
        return this.#push(target)
      }
      case 'APPEND':
        this.#pop()
        return this.#refuseChange(this.#top())
      case 'APPENDS':
      case 'ADDITEMS':
        this.#popMark()
        return this.#refuseChange(this.#top())
      case 'SETITEM': {
        const items = this.#popItems(2)
        return this.#setItems(this.#top(), items)
      }
      case 'SETITEMS': {
        const items = this.#popMark()
        return this.#setItems(this.#top(), items)
      }
      case 'PUT':
      case 'BINPUT':
      case 'LONG_BINPUT':
        return this.#remember(Number(argument))
      case 'MEMOIZE':
        return this.#remember(this.#memo.size)
      case 'GET':
      case 'BINGET':
      case 'LONG_BINGET': {
        const value = this.#memo.get(Number(argument))
        if (value === undefined) throw new PickleFault('it asks for what it did not remember')
        return this.#push(value)
      }
    }
  }

  #push(value: PickleValue): void {
    if (this.#stack.length >= itemsMax)
      throw new PickleFault(`more than ${itemsMax} values at once`)
    this.#stack.push(value)
  }

  #pop(): PickleValue {
    const value = this.#stack.pop()
    if (value === undefined || value.kind === 'mark') throw new PickleFault('its stack runs empty')
    return value
  }

  #top(): PickleValue {
    const value = this.#stack.at(-1)
    if (value === undefined) throw new PickleFault('its stack runs empty')
    return value
  }

  #popItems(count: number): PickleValue[] {
    const items = Array.from({ length: count }, () => this.#pop())
    return items.toReversed()
  }

  #popMark(): PickleValue[] {
    const at = this.#stack.lastIndexOf(mark)
    if (at === -1) throw new PickleFault('its stack has no mark')
    const items = this.#stack.splice(at)
    items.shift()
    return items
  }

  #remember(index: number): void {
    if (this.#memo.size >= itemsMax)
      throw new PickleFault(`more than ${itemsMax} values remembered`)
    this.#memo.set(index, this.#top())
  }

  #text(argument: number | string | undefined): PickleValue {
    if (typeof argument !== 'string') return other
    this.#keptChars += argument.length
    return this.#keptChars > keptCharsMax ? other : { kind: 'text', text: argument }
  }

  #stackGlobal(): void {
    const name = this.#pop()
    const module = this.#pop()
    if (name.kind === 'text' && module.kind === 'text') {
      return this.#pushGlobal(module.text, name.text)
    }
    this.#watcher.obscure('names something by a text that it computes')
    this.#push({ kind: 'made', by: other, args: other })
  }

  #pushGlobal(module: string, name: string): void {
    this.#push(this.#global(module, name))
  }

  #global(written: string, name: string): PickleValue {
    const module = resolvedModule(written)
    this.#watcher.named(module, name)
    return { kind: 'global', module, name }
  }

  #call(callee: PickleValue, args: PickleValue): void {
    this.#watcher.called(callee, args)
    // numpy's way to name a function of its own would name any other as well.
    const [module, name] = args.kind === 'tuple' ? args.items : []
    if (isFunctionFinder(callee) && module?.kind === 'text' && name?.kind === 'text') {
      return this.#pushGlobal(module.text, name.text)
    }
    this.#push({ kind: 'made', by: callee, args })
  }

  /** `cls.__new__(cls, …)`: what is no class cannot be made like this. */
  #make(callee: PickleValue, args: PickleValue): void {
    if (callee.kind !== 'global') this.#watcher.called(callee, args)
    this.#push({ kind: 'made', by: callee, args })
  }

  #setItems(target: PickleValue, items: readonly PickleValue[]): void {
    this.#refuseChange(target)
    if (target.kind !== 'container') return
    for (let index = 0; index + 1 < items.length; index += 2) {
      const [key, value] = [items[index], items[index + 1]]
      if (key?.kind !== 'text' || value === undefined) continue
      if (target.entries.size < entriesMax || target.entries.has(key.text)) {
        target.entries.set(key.text, value)
      }
    }
  }

  #refuseChange(target: PickleValue): void {
    if (target.kind === 'global') this.#watcher.changed(target)
  }
}

function isFunctionFinder(value: PickleValue): boolean {
  return (
    value.kind === 'global' &&
    value.name === '_ufunc_reconstruct' &&
    value.module.startsWith('numpy')
  )
}

function number(value: number): PickleValue {
  return Number.isSafeInteger(value) ? { kind: 'number', value } : other
}

function tuple(items: readonly PickleValue[]): PickleValue {
  return {
    kind: 'tuple',
    items: items.length > tupleItemsMax ? items.slice(0, tupleItemsMax) : items,
  }
}

function pairOf(argument: number | string | undefined): [string, string] {
  const [module = '', name = ''] = String(argument).split('\n')
  return [module, name]
}

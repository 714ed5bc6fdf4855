import wabt from 'wabt'

const toolkit = await wabt()

/** What differs from module to module in tests, as WebAssembly text. */
export interface ModuleParts {
  /** Body of `edgeboot_handle`, with the locals $event $eventLength $context $contextLength. */
  readonly handle?: string
  /** Anything else: imports come first. */
  readonly imports?: string
  readonly more?: string
  readonly memory?: string
  readonly version?: number
  readonly alloc?: string
  /** Name under which something is left out. */
  readonly without?: string
}

/** A module that speaks the ABI, and does nothing that is not asked for. */
export function wasmModule(parts: ModuleParts = {}): Buffer {
  const { memory = '1', version = 1, alloc = '(i32.const 1024)', without } = parts
  const name = (exported: string): string => (exported === without ? '' : `(export "${exported}")`)
  return compileWat(`(module
    (import "edgeboot" "result" (func $result (param i32 i32)))
    (import "edgeboot" "error" (func $error (param i32 i32)))
    (import "edgeboot" "log" (func $log (param i32 i32 i32)))
    ${parts.imports ?? ''}
    (memory ${name('memory')} ${memory})
    (data (i32.const 16) "careful")
    (global $count (mut i32) (i32.const 0))
    (func ${name('edgeboot_abi_version')} (result i32) (i32.const ${version}))
    (func ${name('edgeboot_alloc')} (param $size i32) (result i32) ${alloc})
    (func $handle ${name('edgeboot_handle')}
      (param $event i32) (param $eventLength i32) (param $context i32) (param $contextLength i32)
      ${parts.handle ?? ''})
    ${parts.more ?? ''})`)
}

/** The bytes of a module in WebAssembly text. */
export function compileWat(text: string): Buffer {
  const module = toolkit.parseWat('model.wat', text)
  try {
    module.resolveNames()
    module.validate()
    return Buffer.from(module.toBinary({ write_debug_names: true }).buffer)
  } finally {
    module.destroy()
  }
}

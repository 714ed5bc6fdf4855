/** The part of the WebAssembly interface of V8 that is used: TypeScript has it for browsers alone. */

/** A compiled module. */
export interface WasmModule {
  readonly [Symbol.toStringTag]: 'WebAssembly.Module'
}

/** What a module asks for or gives. */
export interface WasmItem {
  readonly module?: string
  readonly name: string
  readonly kind: 'function' | 'table' | 'memory' | 'global' | 'tag'
}

interface Api {
  compile(bytes: Uint8Array): Promise<WasmModule>
  readonly Module: {
    imports(module: WasmModule): (WasmItem & { readonly module: string })[]
    exports(module: WasmModule): WasmItem[]
  }
  readonly Instance: new (
    module: WasmModule,
    imports: Readonly<Record<string, Readonly<Record<string, (...args: number[]) => void>>>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> }
}

/** V8's own. */
export const webAssembly = (globalThis as unknown as { readonly WebAssembly: Api }).WebAssembly

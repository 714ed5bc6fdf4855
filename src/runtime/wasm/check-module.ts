/** What a module must export, and may import, to be a model: `docs/wasm-abi.md`. */
import type { LoadFailure } from '../worker-messages.ts'
import { type WasmModule, webAssembly } from './web-assembly.ts'

/** Version of the ABI that is spoken here. */
export const abiVersion = 1

/** All that a module may import from `edgeboot`. */
export const importNames = ['result', 'error', 'log'] as const

const required = [
  { name: 'memory', kind: 'memory', how: 'export the memory (wasm-ld: it does by itself)' },
  { name: 'edgeboot_abi_version', kind: 'function', how: `let it return ${abiVersion}` },
  { name: 'edgeboot_alloc', kind: 'function', how: 'let it take a size and return an address' },
  {
    name: 'edgeboot_handle',
    kind: 'function',
    how: 'let it take address and length of event and context',
  },
] as const

/** Imports that a wrong build asks for, and what mends each. */
const wrongBuilds: readonly { from: RegExp; advice: string }[] = [
  {
    from: /^wasi/,
    advice:
      'It is built for WASI, and a model gets no files, clocks or sockets: build it without (Rust: --target wasm32-unknown-unknown; C: clang --target=wasm32 -nostdlib; TinyGo: -target=wasm-unknown)',
  },
  {
    from: /^extism:/,
    advice: 'It is a plug-in for Extism: write format: extism into model.yaml',
  },
  { from: /^env\.abort$/, advice: 'AssemblyScript: build it with --use abort=' },
  {
    from: /^env\.memory$/,
    advice: 'Let it export its memory instead (wasm-ld: no --import-memory)',
  },
  { from: /^env\./, advice: 'Something is declared and not linked: add what defines it' },
]

/** Why a module is no model; `undefined` when it is one. */
export function faultOfModule(module: WasmModule, file: string): LoadFailure | undefined {
  const foreign = webAssembly.Module.imports(module).filter(
    (item) =>
      item.module !== 'edgeboot' ||
      item.kind !== 'function' ||
      !importNames.some((name) => name === item.name),
  )
  const [first] = foreign
  if (first !== undefined) {
    const name = `${first.module}.${first.name}`
    const more = foreign.length > 1 ? ` and ${foreign.length - 1} more` : ''
    const advice = wrongBuilds.find(({ from }) => from.test(name))?.advice
    return {
      kind: 'import',
      message: `${file} imports ${name} (${first.kind})${more}; a model may import edgeboot.${importNames.join(', edgeboot.')}, and nothing else. ${advice ?? 'Build it without'}`,
      where: file,
    }
  }
  const exported = webAssembly.Module.exports(module)
  const missing = required.find(
    ({ name, kind }) => !exported.some((item) => item.name === name && item.kind === kind),
  )
  if (missing === undefined) return undefined
  return {
    kind: 'no-handler',
    message: `${file} exports no ${missing.kind} named ${missing.name}: ${missing.how}`,
    where: file,
  }
}

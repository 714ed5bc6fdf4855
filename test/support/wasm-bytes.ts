/** A WebAssembly module that imports functions and does nothing. */
export function wasmModule(imports: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string): number[] => [value.length, ...Buffer.from(value)]
  const entries = imports.flatMap(([module, name]) => [...text(module), ...text(name), 0, 0])
  const section = (id: number, body: readonly number[]): number[] => [id, body.length, ...body]
  return Buffer.from([
    ...Buffer.from('\0asm'),
    1,
    0,
    0,
    0,
    ...section(1, [1, 0x60, 0, 0]),
    ...(imports.length === 0 ? [] : section(2, [imports.length, ...entries])),
  ])
}

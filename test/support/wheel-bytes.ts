import { rawZip } from './zip-bytes.ts'

/** What a wheel is to say of itself. */
export interface WheelUnderTest {
  readonly name: string
  readonly version: string
  /** Default: suits every Python 3. */
  readonly tag?: string
  /** Text of its one module, which has its name. Default: its version as `answer`. */
  readonly code?: string
  readonly requires?: readonly string[]
}

/** The name that a wheel must have. */
export function wheelName({ name, version, tag = 'py3-none-any' }: WheelUnderTest): string {
  return `${name}-${version}-${tag}.whl`
}

/** A wheel as pip takes it, made by hand: no network, no tool. */
export function wheelBytes(wheel: WheelUnderTest): Buffer {
  const { name, version, tag = 'py3-none-any', requires = [] } = wheel
  const code = wheel.code ?? `answer = "${name} ${version}"\n`
  const info = `${name}-${version}.dist-info`
  const needs = requires.map((text) => `Requires-Dist: ${text}\n`).join('')
  const files = {
    [`${name}.py`]: code,
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n${needs}`,
    [`${info}/WHEEL`]: `Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: ${tag}\n`,
  }
  const record = [...Object.keys(files), `${info}/RECORD`].map((path) => `${path},,\n`).join('')
  return rawZip(
    Object.entries({ ...files, [`${info}/RECORD`]: record }).map(([path, content]) => ({
      name: path,
      content,
    })),
  )
}

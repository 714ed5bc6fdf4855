import type { LibraryFormat } from './native-library.ts'

/** The machine that a package is to run on. */
export interface Machine {
  /** As wheels name it: `x86_64`, `aarch64`, `armv7l`. */
  readonly architecture: string
  readonly system: 'linux' | 'macos' | 'windows' | 'other'
  /** Version of glibc; absent where there is none, as with musl. */
  readonly glibc?: readonly [major: number, minor: number]
  /** Of the interpreter that would run it, where that is known. */
  readonly python?: readonly [major: number, minor: number]
}

/** Names of wheels for what Node calls an architecture. */
const architectures: Readonly<Record<string, string>> = {
  x64: 'x86_64',
  arm64: 'aarch64',
  arm: 'armv7l',
  ia32: 'i686',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
}

const systems: Readonly<Record<string, Machine['system']>> = {
  linux: 'linux',
  darwin: 'macos',
  win32: 'windows',
}

/** The machine that this process runs on. */
export function thisMachine(python?: readonly [number, number]): Machine {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(report.header?.glibcVersionRuntime ?? '') ?? []
  return {
    architecture: architectures[process.arch] ?? process.arch,
    system: systems[process.platform] ?? 'other',
    ...(major === undefined ? {} : { glibc: [Number(major), Number(minor)] as const }),
    ...(python === undefined ? {} : { python }),
  }
}

/** A machine in a few words. */
export function machineText({ architecture, system, glibc }: Machine): string {
  const library =
    system === 'linux' ? (glibc ? ` with glibc ${glibc.join('.')}` : ' with musl') : ''
  return `${system} on ${architecture}${library}`
}

/** The format of libraries that a system loads. */
export function libraryFormat({ system }: Machine): LibraryFormat {
  return system === 'macos' ? 'Mach-O' : system === 'windows' ? 'PE' : 'ELF'
}

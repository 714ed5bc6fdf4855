import type { Machine } from './machine.ts'

/** What the name of a wheel says (PEP 427): what it is, and what it is for. */
export interface WheelName {
  readonly distribution: string
  readonly version: string
  readonly pythons: readonly string[]
  readonly abis: readonly string[]
  readonly platforms: readonly string[]
}

/** Parts of a wheel's name that are compared with each other: more is no honest wheel. */
const tagsMax = 16

/** @returns Nothing for a name that no wheel may have. */
export function parseWheelName(file: string): WheelName | undefined {
  const parts = file.replace(/\.whl$/, '').split('-')
  if (parts.length !== 5 && parts.length !== 6) return undefined
  // A build number begins with a digit and says nothing here.
  if (parts.length === 6 && !/^\d/.test(parts[2] ?? '')) return undefined
  const [distribution = '', version = ''] = parts
  const [python = '', abi = '', platform = ''] = parts.slice(-3)
  const [pythons, abis, platforms] = [python, abi, platform].map((tags) => tags.split('.'))
  if (!pythons || !abis || !platforms || distribution === '' || version === '') return undefined
  if ([pythons, abis, platforms].some((tags) => tags.length > tagsMax)) return undefined
  return { distribution, version, pythons, abis, platforms }
}

/** Why a wheel cannot be installed on a machine (PEP 425, 600, 656); nothing when it can. */
export function wheelFault(wheel: WheelName, machine: Machine): string | undefined {
  if (!wheel.platforms.some((tag) => fitsPlatform(tag, machine))) {
    return `is for ${wheel.platforms.join(', ')}`
  }
  const { python } = machine
  if (python === undefined) return undefined
  const fits = wheel.pythons.some((tag) => wheel.abis.some((abi) => fitsPython(tag, abi, python)))
  if (fits) return undefined
  const abi = wheel.abis.join(', ')
  const built = abi === 'none' ? '' : ` (${abi})`
  return `is for Python ${wheel.pythons.join(', ')}${built}, and this is ${python.join('.')}`
}

/** Old names of what a Linux wheel needs, by PEP 600. */
const manylinuxVersions: Readonly<Record<string, readonly [number, number]>> = {
  manylinux1: [2, 5],
  manylinux2010: [2, 12],
  manylinux2014: [2, 17],
}

const windowsTags: Readonly<Record<string, string>> = {
  x86_64: 'win_amd64',
  aarch64: 'win_arm64',
  i686: 'win32',
}

function fitsPlatform(tag: string, { system, architecture, glibc }: Machine): boolean {
  if (tag === 'any') return true
  const isHere = tag.endsWith(`_${architecture}`)
  if (system === 'linux') {
    if (!isHere) return false
    if (tag === `linux_${architecture}`) return true
    if (tag.startsWith('musllinux_')) return glibc === undefined
    const [, major, minor] = /^manylinux_(\d+)_(\d+)_/.exec(tag) ?? []
    const needed =
      major === undefined
        ? manylinuxVersions[tag.slice(0, -architecture.length - 1)]
        : ([Number(major), Number(minor)] as const)
    return needed !== undefined && glibc !== undefined && !isNewer(needed, glibc)
  }
  if (system === 'macos') {
    const cpu = architecture === 'aarch64' ? 'arm64' : architecture
    return /^macosx_\d+_\d+_/.test(tag) && (tag.endsWith(cpu) || tag.endsWith('universal2'))
  }
  if (system !== 'windows') return false
  return tag === windowsTags[architecture]
}

function fitsPython(tag: string, abi: string, python: readonly [number, number]): boolean {
  const [, implementation, major = '', minor = ''] = /^([a-z]+)(\d)(\d*)$/.exec(tag) ?? []
  if (implementation !== 'py' && implementation !== 'cp') return false
  if (Number(major) !== python[0]) return false
  // One for an older version serves when it keeps to the stable interface, or has no native code.
  if (implementation === 'py' || abi === 'abi3') {
    return minor === '' || Number(minor) <= python[1]
  }
  return minor === '' || Number(minor) === python[1]
}

function isNewer(a: readonly [number, number], b: readonly [number, number]): boolean {
  return a[0] > b[0] || (a[0] === b[0] && a[1] > b[1])
}

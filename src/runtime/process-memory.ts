import { readdirSync, readFileSync } from 'node:fs'

/** Processes that are added up; a model that has more is measured by the first ones. */
const processesMax = 64

/**
 * Bytes that a process holds together with all that descend from it, in memory and in swap. Reads
 * `/proc`, in tens of microseconds: Linux alone has it.
 *
 * Pages that several of them share, as after a fork, would count for each. When it matters, because
 * the sum is above `suspectAboveBytes`, the kernel is asked for their fair shares, which takes it
 * longer.
 *
 * @returns `undefined` when the process is gone, or on another system.
 */
export function processMemoryBytes(pid: number, suspectAboveBytes: number): number | undefined {
  const family = familyOf(pid)
  const held = family.map((one) => bytesIn(`/proc/${one}/status`, /^Vm(?:RSS|Swap):\s+(\d+) kB/gm))
  if (held[0] === undefined) return undefined
  const sum = total(held)
  if (family.length === 1 || sum <= suspectAboveBytes) return sum
  const shares = family.map((one) =>
    bytesIn(`/proc/${one}/smaps_rollup`, /^(?:Pss|SwapPss):\s+(\d+) kB/gm),
  )
  return shares[0] === undefined ? sum : total(shares)
}

function familyOf(pid: number): number[] {
  const family = [pid]
  for (const member of family) {
    for (const child of childrenOf(member)) {
      if (family.length >= processesMax) return family
      family.push(child)
    }
  }
  return family
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1')
        .split(' ')
        .filter((child) => child !== '')
        .map(Number),
    )
  } catch {
    return [] // it has ended, or this kernel does not tell
  }
}

function bytesIn(file: string, amounts: RegExp): number | undefined {
  try {
    const found = [...readFileSync(file, 'latin1').matchAll(amounts)]
    if (found.length === 0) return undefined
    return found.reduce((sum, [, kibibytes]) => sum + Number(kibibytes) * 1024, 0)
  } catch {
    return undefined
  }
}

function total(amounts: readonly (number | undefined)[]): number {
  return amounts.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0)
}

import { pageBytes } from './limit-memory.ts'

/** Memory of a module whose func says nothing of memory. */
const memoryBytesDefault = 1024 ** 3
/** What 32 bits can address. */
const addressableBytes = 4 * 1024 ** 3

/** How many pages a module may have whose func allows it so much memory. */
export function memoryPagesMax(memoryBytesMax: number = memoryBytesDefault): number {
  return Math.floor(Math.min(memoryBytesMax, addressableBytes) / pageBytes)
}

/** What a model prints where Node runs it: kept until the host takes it, within bounds. */
import type { Writable } from 'node:stream'

/** Printed bytes that may wait for the host. A model that prints without end loses the rest. */
const printedBytesMax = 1024 * 1024

/** Bounds what may wait in standard output and standard error of this thread or process. */
export function boundPrinting(): void {
  bound(process.stdout)
  bound(process.stderr)
}

/** Resolves when what was printed is out. */
export async function flushPrinted(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => stream.write('', () => resolve()))
  }
}

function bound(stream: Writable): void {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean
  const bounded = (...args: unknown[]): boolean => {
    if (stream.writableLength <= printedBytesMax) return write(...args)
    const done = args.at(-1)
    if (typeof done === 'function') process.nextTick(done)
    return false
  }
  stream.write = bounded as typeof stream.write
}

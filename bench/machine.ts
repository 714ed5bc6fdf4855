import { cpus } from 'node:os'

/** What figures belong to: the version of Node and the processors. */
export function machine(): string {
  const processors = cpus()
  return `Node ${process.versions.node}, ${processors.length} × ${processors[0]?.model ?? 'unknown'}`
}

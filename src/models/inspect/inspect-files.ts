import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { isSystemError } from '../store-error.ts'
import type { CollectedFile } from '../pack/collect-files.ts'
import { TooManyBytes } from './byte-cursor.ts'
import { inspectContent, isZip, type Content, type ContentOptions } from './inspect-content.ts'
import { findingsMax, mostSeriousFirst, type InspectionFinding } from './inspection.ts'
import { machineText } from './machine.ts'
import { visitNestedZip } from './nested-zip.ts'
import { parseWheelName, wheelFault } from './wheel-tags.ts'

/**
 * Looks at all files of an unpacked package for what its engineer should know before it is loaded:
 * pickles, native code, wheels. Nothing is imported, unpickled or run. Memory and time are bounded
 * by the limits that hold for unpacking.
 *
 * @param options.hasFile - Default: of these files alone.
 * @returns The most serious findings first, each level in the order of the files.
 */
export async function inspectFiles(
  files: readonly CollectedFile[],
  options: Omit<ContentOptions, 'isOwn' | 'hasFile'> & Partial<Pick<ContentOptions, 'hasFile'>>,
): Promise<readonly InspectionFinding[]> {
  const own = ownModules(files)
  const isOwn = (module: string): boolean => own.has(module.split('.')[0] ?? '')
  const names = new Set(files.map(({ name }) => name))
  const used = { hasFile: (name: string) => names.has(name), ...options, isOwn }
  const findings: InspectionFinding[] = []
  for (const file of files) findings.push(...(await inspectFile(file, used)))
  const ordered = mostSeriousFirst(findings)
  if (ordered.length <= findingsMax) return ordered
  const text = `there are ${ordered.length - findingsMax} more findings`
  return [...ordered.slice(0, findingsMax), { level: 'warn', text }]
}

/** Top names that Python would import from the package. */
function ownModules(files: readonly CollectedFile[]): ReadonlySet<string> {
  return new Set(
    files.flatMap(({ name }) => {
      const [first = '', ...rest] = name.split('/')
      if (rest.length > 0) return name.endsWith('.py') ? [first] : []
      return first.endsWith('.py') ? [first.slice(0, -3)] : []
    }),
  )
}

async function inspectFile(
  { name, path }: CollectedFile,
  options: ContentOptions,
): Promise<readonly InspectionFinding[]> {
  if (name.endsWith('.whl')) return inspectWheel(name, options)
  const content: Content = { name, open: () => createReadStream(path) as AsyncIterable<Uint8Array> }
  const found = await inspectContent(content, options)
  if (found !== isZip) return found
  const findings: InspectionFinding[] = []
  const { bytesMax } = options
  let inflatedBytes = 0
  try {
    const isComplete = await visitNestedZip(path, async (nested) => {
      const inner = `${name}!${nested.name}`
      const opened: Content = {
        name: inner,
        open: () =>
          counted(nested.open, (bytes) => {
            inflatedBytes += bytes
            if (inflatedBytes > bytesMax) throw new TooManyBytes()
          }),
      }
      const result = await inspectContent(opened, options)
      if (result === isZip) {
        const text = 'a zip within a zip, which is not looked into'
        findings.push({ level: 'warn', file: inner, text })
      } else {
        findings.push(...result)
      }
    })
    if (!isComplete) {
      findings.push({
        level: 'warn',
        file: name,
        text: 'it has too many files to look at them all',
      })
    }
  } catch (thrown) {
    if (isSystemError(thrown)) throw thrown
    const isBomb = thrown instanceof TooManyBytes
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    const why = isBomb ? `it inflates to more than ${bytesMax} bytes` : reason
    const text = `this zip cannot be read to its end: ${why}`
    findings.push({ level: isBomb ? 'danger' : 'warn', file: name, text })
  }
  return findings
}

async function* counted(
  open: () => Promise<AsyncIterable<Uint8Array>>,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of await open()) {
    count(chunk.byteLength)
    yield chunk
  }
}

function inspectWheel(name: string, { machine }: ContentOptions): InspectionFinding[] {
  const wheel = parseWheelName(basename(name))
  if (wheel === undefined) {
    return [{ level: 'warn', file: name, text: 'it has no name that a wheel may have' }]
  }
  const fault = wheelFault(wheel, machine)
  const what = `the wheel of ${wheel.distribution} ${wheel.version}`
  if (fault === undefined) return [{ level: 'info', file: name, text: `${what} fits this machine` }]
  const here = `it cannot be installed here (${machineText(machine)})`
  return [{ level: 'warn', file: name, text: `${what} ${fault}: ${here}` }]
}

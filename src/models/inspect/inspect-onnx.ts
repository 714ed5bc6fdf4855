import { WireError } from '../../core/protobuf-wire.ts'
import type { InspectionFinding } from './inspection.ts'
import { onnxOutline, type OnnxOutline } from './onnx-outline.ts'

/** More is not read into memory; models beyond that keep their weights in files beside them. */
const modelBytesMax = 128 * 1024 * 1024
/** Inputs, outputs and files that a finding names; more are counted. */
const namesMax = 20

/**
 * Says what an ONNX file is: operators, producer, inputs and outputs, and weights that are missing.
 *
 * @param hasFile - Whether a file is there, by its path relative to the model's folder.
 */
export async function inspectOnnx(
  name: string,
  bytes: AsyncIterable<Uint8Array>,
  hasFile: (path: string) => boolean,
): Promise<readonly InspectionFinding[]> {
  const model = await atMost(bytes, modelBytesMax)
  if (model === undefined) {
    const text = `it has more than ${modelBytesMax} bytes, and is not looked into`
    return [{ level: 'warn', file: name, text }]
  }
  try {
    return tell(name, onnxOutline(model), hasFile)
  } catch (thrown) {
    if (!(thrown instanceof WireError)) throw thrown
    const text = `it is truncated or no ONNX model: ${thrown.message}`
    return [{ level: 'warn', file: name, text }]
  }
}

async function atMost(
  bytes: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = []
  let left = bytesMax
  for await (const chunk of bytes) {
    left -= chunk.byteLength
    if (left < 0) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function tell(
  file: string,
  { irVersion, producer, opsets, inputs, outputs, external }: OnnxOutline,
  hasFile: (path: string) => boolean,
): InspectionFinding[] {
  const facts = [
    `ONNX with operators of opset ${opsets.slice(0, namesMax).join(', ') || 'unknown'}`,
    ...(irVersion === undefined ? [] : [`IR version ${irVersion}`]),
    ...(producer === undefined ? [] : [`made by ${producer}`]),
  ]
  const findings: InspectionFinding[] = [
    { level: 'info', file, text: facts.join(', ') },
    { level: 'info', file, text: `it takes ${listText(inputs)}` },
    { level: 'info', file, text: `it gives ${listText(outputs)}` },
  ]
  for (const [path, tensors] of [...external].slice(0, namesMax)) {
    const what = `${tensors === 1 ? 'a weight' : `${tensors} weights`} of it`
    if (leadsOut(path)) {
      const text = `${what} would be read from outside of the package: ${path}`
      findings.push({ level: 'danger', file, text })
    } else if (!hasFile(path)) {
      findings.push({ level: 'warn', file, text: `${what} should be in ${path}, which is missing` })
    } else findings.push({ level: 'info', file, text: `${what} are in ${path}` })
  }
  const more = external.size - namesMax
  if (more > 0) findings.push({ level: 'info', file, text: `weights are in ${more} more files` })
  return findings
}

function leadsOut(path: string): boolean {
  return /^([/\\]|[a-z]:)/i.test(path) || path.split(/[/\\]/).includes('..')
}

function listText(texts: readonly string[]): string {
  if (texts.length === 0) return 'nothing'
  const more = texts.length > namesMax ? [`${texts.length - namesMax} more`] : []
  return [...texts.slice(0, namesMax), ...more].join(', ')
}

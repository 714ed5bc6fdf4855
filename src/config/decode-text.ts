import type { Findings } from './finding.ts'

/** The text of a YAML file. What is not UTF-8 is a finding, and no text. */
export function decodeText(bytes: Buffer, findings: Findings): string | undefined {
  const whole = { line: 0, column: 0 }
  const isUtf16 =
    (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)
  if (isUtf16) {
    findings.error(whole, '', 'the file is in UTF-16', 'save it as UTF-8')
    return undefined
  }
  if (bytes.includes(0)) {
    findings.error(whole, '', 'the file is binary, not YAML', 'is this the right file?')
    return undefined
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    findings.error(whole, '', 'the file is not in UTF-8', 'save it as UTF-8')
    return undefined
  }
}

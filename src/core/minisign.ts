/**
 * Signatures in the format of minisign: Ed25519, over the file itself (`Ed`, as OpenBSD's signify has
 * it) or over its BLAKE2b-512 (`ED`, what minisign has written since 0.10), with a trusted comment
 * that a second signature covers. Pure: bytes in, verdict out.
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto'

/** Longest text of a key or a signature that is looked at, characters. */
export const minisignTextMax = 16 * 1024

/** A key that signatures are checked with. */
export interface MinisignPublicKey {
  /** As minisign shows it: 16 upper-case hexadecimal digits. */
  readonly id: string
  /** The one line that minisign prints, base64: says all. */
  readonly text: string
  readonly key: KeyObject
}

/** A signature, not checked yet. */
export interface MinisignSignature {
  readonly keyId: string
  /** Whether it is over the BLAKE2b-512 of the file; else over the file. */
  readonly isPrehashed: boolean
  readonly signature: Buffer
  readonly trustedComment: string
  readonly globalSignature: Buffer
}

const keyIdBytes = 8
const keyBytes = 32
const signatureBytes = 64
/** What comes before the 32 bytes of an Ed25519 key in DER. */
const publicKeyPrefix = Buffer.from('302a300506032b6570032100', 'hex')
const trustedPrefix = 'trusted comment: '

/** The number of a key as minisign shows it: its bytes are the wrong way round. */
export function keyIdText(bytes: Buffer): string {
  return Buffer.from(bytes.toReversed()).toString('hex').toUpperCase()
}

/**
 * Reads a public key: the file that minisign writes, or the one line of it that says all.
 *
 * @returns `undefined` for what is none.
 */
export function parsePublicKey(text: string): MinisignPublicKey | undefined {
  const lines = linesOf(text)
  const line = lines.length === 2 && isComment(lines[0]) ? lines[1] : lines[0]
  if (line === undefined || lines.length > (isComment(lines[0]) ? 2 : 1)) return undefined
  const bytes = base64(line)
  if (bytes?.length !== 2 + keyIdBytes + keyBytes) return undefined
  if (bytes.toString('latin1', 0, 2) !== 'Ed') return undefined
  const key = createPublicKey({
    key: Buffer.concat([publicKeyPrefix, bytes.subarray(2 + keyIdBytes)]),
    format: 'der',
    type: 'spki',
  })
  return { id: keyIdText(bytes.subarray(2, 2 + keyIdBytes)), text: line, key }
}

/**
 * Reads what is in a `.minisig` file.
 *
 * @returns `undefined` for what is none.
 */
export function parseSignature(text: string): MinisignSignature | undefined {
  const [comment, line, trusted, global, ...more] = linesOf(text)
  if (!isComment(comment) || line === undefined || more.length > 0) return undefined
  if (trusted?.startsWith(trustedPrefix) !== true || global === undefined) return undefined
  const bytes = base64(line)
  const globalSignature = base64(global)
  if (bytes?.length !== 2 + keyIdBytes + signatureBytes) return undefined
  if (globalSignature?.length !== signatureBytes) return undefined
  const algorithm = bytes.toString('latin1', 0, 2)
  if (algorithm !== 'Ed' && algorithm !== 'ED') return undefined
  return {
    keyId: keyIdText(bytes.subarray(2, 2 + keyIdBytes)),
    isPrehashed: algorithm === 'ED',
    signature: bytes.subarray(2 + keyIdBytes),
    trustedComment: trusted.slice(trustedPrefix.length),
    globalSignature,
  }
}

/**
 * Whether a signature is that of this key over this content, and its trusted comment is the signer's.
 *
 * @param content - The file, or its BLAKE2b-512 when the signature is prehashed.
 */
export function isSignedBy(
  { signature, globalSignature, trustedComment }: MinisignSignature,
  { key }: MinisignPublicKey,
  content: Uint8Array,
): boolean {
  const signed = Buffer.concat([signature, Buffer.from(trustedComment, 'utf8')])
  return verify(null, content, key, signature) && verify(null, signed, key, globalSignature)
}

function linesOf(text: string): string[] {
  if (text.length > minisignTextMax) return []
  const lines = text.split(/\r?\n/)
  while (lines.at(-1) === '') lines.pop()
  return lines
}

function isComment(line: string | undefined): boolean {
  return line?.startsWith('untrusted comment:') === true
}

/** Node takes anything for base64; a key or a signature has to be exactly that. */
function base64(line: string): Buffer | undefined {
  return /^[A-Za-z0-9+/]+={0,2}$/.test(line) && line.length % 4 === 0
    ? Buffer.from(line, 'base64')
    : undefined
}

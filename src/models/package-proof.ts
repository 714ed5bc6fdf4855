import { readFile } from 'node:fs/promises'
import type { ModelProof, ModelSource } from '../config/settings.ts'
import { EdgebootError } from '../core/errors.ts'
import {
  isSignedBy,
  parsePublicKey,
  parseSignature,
  type MinisignPublicKey,
} from '../core/minisign.ts'
import { displayAddress } from './package-address.ts'
import { readFileChunks } from './save-stream.ts'
import { blake2b512Of } from './signing-key.ts'

/** Largest file with a signature of the old form, which has to be in memory as a whole. */
const legacyBytesMax = 256 * 1024 * 1024

/** That a signature was checked, and whose it is. */
export interface SignatureProof {
  readonly keyId: string
  /** The one line of the public key. */
  readonly publicKey: string
  /** What the signer says of it. */
  readonly trustedComment: string
}

/** `proof.json` of a package in the store: what was found out while its zip was still there. */
export interface PackageProof {
  readonly format: 1
  /** A configuration named its SHA-256. */
  readonly isNamed?: true
  readonly signature?: SignatureProof
}

/** What is to be checked, and how messages name it. */
export interface SignatureCheck {
  readonly file: string
  /** Bytes of the file. */
  readonly bytes: number
  readonly signatureText: string
  /** Where the signature came from, without credentials. */
  readonly where: string
  /** Such as `the package of model 'a'`. */
  readonly subject: string
  /** As {@link parsePublicKey} reads them. */
  readonly keys: readonly string[]
}

/**
 * Whether what is known of a package is what the policy asks for now: a key that was taken out of
 * the configuration proves nothing any more.
 */
export function isProvenBy(proof: PackageProof | undefined, policy: ModelProof): boolean {
  if (policy.require === 'none') return true
  if (policy.require === 'sha256') return proof?.isNamed === true
  const signedBy = proof?.signature?.publicKey
  return policy.keys.some((key) => parsePublicKey(key)?.text === signedBy)
}

/**
 * Checks a file against a signature and the keys that are trusted.
 *
 * @throws EdgebootError `MODEL_SIGNATURE_INVALID` for what is no signature, or none of this file,
 * `MODEL_SIGNATURE_UNKNOWN_KEY` for one by a key that is not among them.
 */
export async function checkSignature(check: SignatureCheck): Promise<SignatureProof> {
  const { file, bytes, signatureText, subject } = check
  const signature = parseSignature(signatureText)
  if (signature === undefined) throw invalid(check, 'what is there is no signature of minisign')
  const key = keyOf(signature.keyId, check)
  if (!signature.isPrehashed && bytes > legacyBytesMax) {
    throw invalid(check, `a signature of the old form is taken for ${legacyBytesMax} bytes at most`)
  }
  const content = signature.isPrehashed
    ? await blake2b512Of(readFileChunks(file))
    : await readFile(file)
  if (!isSignedBy(signature, key, content)) {
    throw invalid(check, `${subject} or its signature was changed after key ${key.id} signed it`)
  }
  const { trustedComment } = signature
  return { keyId: key.id, publicKey: key.text, trustedComment }
}

function keyOf(keyId: string, { keys, subject, where }: SignatureCheck): MinisignPublicKey {
  const known = keys.map(parsePublicKey).filter((key) => key !== undefined)
  const key = known.find(({ id }) => id === keyId)
  if (key !== undefined) return key
  const trusted = known.map(({ id }) => id).join(', ') || 'none'
  throw new EdgebootError(
    'MODEL_SIGNATURE_UNKNOWN_KEY',
    `${subject} is signed by key ${keyId}, which is not trusted here; trusted: ${trusted}`,
    { details: { where, keyId, trusted } },
  )
}

function invalid({ subject, where }: SignatureCheck, reason: string): EdgebootError {
  return new EdgebootError(
    'MODEL_SIGNATURE_INVALID',
    `the signature of ${subject} does not hold: ${reason}`,
    { details: { where } },
  )
}

/** Says that there is no signature where one has to be: `MODEL_SIGNATURE_MISSING`. */
export function signatureMissing(model: string, where: string, reason: string): EdgebootError {
  return new EdgebootError(
    'MODEL_SIGNATURE_MISSING',
    `models.require is signature, and the package of model '${model}' has none at ${where}: ${reason}`,
    { details: { where, model } },
  )
}

/**
 * Says that what a model consists of can never be proven as the policy asks: `MODEL_UNPROVEN`.
 *
 * @param reason - A clause, such as `it is a folder`.
 */
export function unproven(
  { name, address }: ModelSource,
  { require }: ModelProof,
  reason: string,
): EdgebootError {
  const way =
    require === 'sha256'
      ? 'name its digest as modelSha256'
      : 'sign it: edgeboot model sign PACKAGE --key FILE'
  return new EdgebootError(
    'MODEL_UNPROVEN',
    `models.require is ${require}, and model '${name}' cannot be proven: ${reason}`,
    {
      details: { model: name, ...(address !== undefined && { where: displayAddress(address) }) },
      fix: `Make a package of it (edgeboot model pack FOLDER), let modelAddress lead to that, and ${way}.`,
    },
  )
}

import type { ModelSource } from '../config/settings.ts'
import { parseDigestText, type Digest, type DigestAlgorithm } from '../core/digest-text.ts'
import { EdgebootError } from '../core/errors.ts'

/** What a complete file came to, both in lower-case hex. */
export interface FileDigests {
  readonly bytes: number
  readonly md5: string
  readonly sha256: string
}

/** What a configuration asks of a package. Empty: nothing. */
export interface ExpectedDigests {
  readonly md5?: Digest
  readonly sha256?: Digest
}

/** Whether a text is a SHA-256 as the store writes it, and so is safe as the name of a folder. */
export function isSha256(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

/**
 * Reads the digests of a model source.
 *
 * @throws `CONFIG_INVALID` for one that is malformed, with its text and the forms that are accepted.
 */
export function expectedDigests(source: ModelSource): ExpectedDigests {
  return {
    ...(source.md5 === undefined ? {} : { md5: configuredDigest('md5', source.md5, source.name) }),
    ...(source.sha256 === undefined
      ? {}
      : { sha256: configuredDigest('sha256', source.sha256, source.name) }),
  }
}

function configuredDigest(algorithm: DigestAlgorithm, text: string, model: string): Digest {
  const digest = parseDigestText(algorithm, text)
  if (digest !== undefined) return digest
  const wanted =
    algorithm === 'md5'
      ? '24 characters of base64, such as pZ4DJ+YhYM9ppHD+VhLi+A==, or 32 hexadecimal digits'
      : '64 hexadecimal digits'
  throw new EdgebootError(
    'CONFIG_INVALID',
    `the ${algorithm} of model '${model}' is ${JSON.stringify(text)}; it must be ${wanted}`,
    {
      fix: `Copy the digest again: ${algorithm}sum FILE prints it in hexadecimal.`,
      details: { model },
    },
  )
}

/** Whether anything can be checked at all. */
export function hasDigest(expected: ExpectedDigests): boolean {
  return expected.md5 !== undefined || expected.sha256 !== undefined
}

/** Whether a file is the one that was meant: every configured digest must hold. */
export function matchesDigests(
  actual: Pick<FileDigests, 'md5' | 'sha256'>,
  expected: ExpectedDigests,
): boolean {
  return firstMismatch(actual, expected) === undefined
}

/**
 * Refuses a file that is not the one that was meant.
 *
 * @throws `MODEL_DIGEST_MISMATCH` with both digests, in the form of the configuration.
 */
export function checkDigests(
  actual: FileDigests,
  expected: ExpectedDigests,
  model: string,
  where: string,
): void {
  const wrong = firstMismatch(actual, expected)
  if (wrong === undefined) return
  const is = Buffer.from(actual[wrong.algorithm], 'hex').toString(wrong.encoding)
  const wanted = Buffer.from(wrong.hex, 'hex').toString(wrong.encoding)
  throw new EdgebootError(
    'MODEL_DIGEST_MISMATCH',
    `the package of model '${model}' has ${wrong.algorithm} ${is} (${actual.bytes} bytes), expected ${wanted}`,
    { details: { where, model, algorithm: wrong.algorithm, expected: wanted, actual: is } },
  )
}

function firstMismatch(
  actual: Pick<FileDigests, 'md5' | 'sha256'>,
  expected: ExpectedDigests,
): Digest | undefined {
  for (const digest of [expected.sha256, expected.md5]) {
    if (digest !== undefined && actual[digest.algorithm] !== digest.hex) return digest
  }
  return undefined
}

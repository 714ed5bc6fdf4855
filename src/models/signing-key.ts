import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  scrypt,
  sign,
  type KeyObject,
} from 'node:crypto'
import { promisify } from 'node:util'
import { EdgebootError } from '../core/errors.ts'
import { keyIdText, minisignTextMax } from '../core/minisign.ts'

/** What a signature is made with. */
export interface SigningKey {
  /** As minisign shows it. */
  readonly id: string
  readonly keyId: Buffer
  readonly key: KeyObject
}

/** A new pair, as the two files that minisign would write. */
export interface NewKeys {
  readonly id: string
  readonly secretText: string
  readonly publicText: string
  /** The one line of the public key for `models.keys`. */
  readonly publicLine: string
}

const keyIdBytes = 8
const secretBytes = 64
const checksumBytes = 32
/** Everything of a secret key that a password hides. */
const hiddenBytes = keyIdBytes + secretBytes + checksumBytes
const headerBytes = 2 + 2 + 2 + 32 + 8 + 8
/** What comes before the 32 bytes of an Ed25519 seed in DER. */
const secretKeyPrefix = Buffer.from('302e020100300506032b657004220420', 'hex')
/** Most memory that a password may cost to try: minisign asks for 1 GiB. */
const scryptBytesMax = 2 * 1024 ** 3

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt)

/** Whether a secret key file is protected by a password. */
export function isEncryptedKey(text: string): boolean {
  return secretBytesOf(text)?.toString('latin1', 2, 4) === 'Sc'
}

/**
 * Reads a secret key as minisign writes it, protected by a password or not (`minisign -W`).
 *
 * @param where - The file, for messages.
 * @throws EdgebootError `MODEL_KEY_INVALID` for what is none, or for a wrong password. No message
 * repeats anything of it.
 */
export async function readSigningKey(
  text: string,
  where: string,
  password?: string,
): Promise<SigningKey> {
  const bytes = secretBytesOf(text)
  const kind = bytes?.toString('latin1', 0, 2)
  if (bytes === undefined || kind !== 'Ed' || bytes.toString('latin1', 4, 6) !== 'B2') {
    throw invalidKey(`${where} is no secret key of minisign`)
  }
  const derivation = bytes.toString('latin1', 2, 4)
  let hidden = bytes.subarray(headerBytes)
  if (derivation === 'Sc') {
    if (password === undefined) throw invalidKey(`${where} is protected by a password`)
    hidden = await uncovered(bytes, password, where)
  } else if (derivation !== '\0\0') {
    throw invalidKey(`${where} is protected in a way that is not known`)
  }
  const keyId = hidden.subarray(0, keyIdBytes)
  const seed = hidden.subarray(keyIdBytes, keyIdBytes + 32)
  const key = createPrivateKey({
    key: Buffer.concat([secretKeyPrefix, seed]),
    format: 'der',
    type: 'pkcs8',
  })
  // minisign leaves the checksum empty without a password; the public half is always there.
  if (!pointOf(key).equals(hidden.subarray(keyIdBytes + 32, keyIdBytes + secretBytes))) {
    const reason = derivation === 'Sc' ? 'the password is wrong, or it is damaged' : 'it is damaged'
    throw invalidKey(`the secret key ${where} cannot be used: ${reason}`)
  }
  return { id: keyIdText(keyId), keyId: Buffer.from(keyId), key }
}

/** Makes a pair of keys; the secret one without a password, as `minisign -G -W` does. */
export function makeKeys(): NewKeys {
  const { privateKey } = generateKeyPairSync('ed25519')
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32)
  const point = pointOf(privateKey)
  const keyId = randomBytes(keyIdBytes)
  const secret = Buffer.concat([
    Buffer.from('Ed\0\0B2', 'latin1'),
    Buffer.alloc(32 + 8 + 8),
    keyId,
    seed,
    point,
    Buffer.alloc(checksumBytes),
  ])
  const id = keyIdText(keyId)
  const publicLine = publicLineOf(keyId, point)
  return {
    id,
    secretText: `untrusted comment: minisign secret key ${id}\n${secret.toString('base64')}\n`,
    publicText: `untrusted comment: minisign public key ${id}\n${publicLine}\n`,
    publicLine,
  }
}

/** The public half of a key, as one line. */
export function publicLine({ keyId, key }: SigningKey): string {
  return publicLineOf(keyId, pointOf(key))
}

/**
 * Signs a file as minisign does since 0.10.
 *
 * @param blake2b512 - Of the file.
 * @param trustedComment - One line; the signature covers it.
 * @returns What goes into the `.minisig` file.
 */
export function signatureText(
  { id, keyId, key }: SigningKey,
  blake2b512: Uint8Array,
  trustedComment: string,
): string {
  const signature = sign(null, blake2b512, key)
  const global = sign(null, Buffer.concat([signature, Buffer.from(trustedComment, 'utf8')]), key)
  const line = Buffer.concat([Buffer.from('ED'), keyId, signature]).toString('base64')
  return [
    `untrusted comment: signature by edgeboot, key ${id}`,
    line,
    `trusted comment: ${trustedComment}`,
    global.toString('base64'),
    '',
  ].join('\n')
}

/** The hash that a signature is over. */
export async function blake2b512Of(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const hash = createHash('blake2b512')
  for await (const chunk of chunks) hash.update(chunk)
  return hash.digest()
}

/** The public half. */
function pointOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32)
}

function publicLineOf(keyId: Buffer, point: Buffer): string {
  return Buffer.concat([Buffer.from('Ed'), keyId, point]).toString('base64')
}

function secretBytesOf(text: string): Buffer | undefined {
  if (text.length > minisignTextMax) return undefined
  const line = text.split(/\r?\n/)[1]
  if (line === undefined || !text.startsWith('untrusted comment:')) return undefined
  const bytes = Buffer.from(line, 'base64')
  return bytes.length === headerBytes + hiddenBytes ? bytes : undefined
}

async function uncovered(bytes: Buffer, password: string, where: string): Promise<Buffer> {
  const salt = bytes.subarray(6, 38)
  const cost = scryptCost(bytes.readBigUInt64LE(38), bytes.readBigUInt64LE(46))
  if (cost === undefined) throw invalidKey(`${where} asks for more memory than is reasonable`)
  const pad = await derive(password, salt, hiddenBytes, { ...cost, maxmem: scryptBytesMax })
  const hidden = Buffer.from(bytes.subarray(headerBytes))
  for (const [index, byte] of pad.entries()) hidden[index] = (hidden[index] ?? 0) ^ byte
  return hidden
}

/** What libsodium makes of the two limits that a key names. */
function scryptCost(
  opsLimit: bigint,
  memoryLimit: bigint,
): { N: number; r: number; p: number } | undefined {
  const r = 8
  const ops = Math.max(Number(opsLimit), 32_768)
  const memory = Number(memoryLimit)
  const isSmall = ops < memory / 32
  const countMax = isSmall ? ops / (r * 4) : memory / (r * 128)
  let exponent = 1
  while (exponent < 40 && 2 ** exponent <= countMax / 2) exponent += 1
  const N = 2 ** exponent
  const p = isSmall ? 1 : Math.floor(Math.min(ops / 4 / N, 0x3fff_ffff) / r)
  return N * r * 128 > scryptBytesMax || p < 1 ? undefined : { N, r, p }
}

function invalidKey(message: string): EdgebootError {
  return new EdgebootError('MODEL_KEY_INVALID', message)
}

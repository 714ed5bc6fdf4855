import { existsSync } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import { EdgebootError } from '../../core/errors.ts'
import { readFileChunks } from '../../models/save-stream.ts'
import {
  blake2b512Of,
  isEncryptedKey,
  makeKeys,
  publicLine,
  readSigningKey,
  signatureText,
  type SigningKey,
} from '../../models/signing-key.ts'
import type { CommandIo } from '../command-io.ts'

const passwordVariable = 'EDGEBOOT_KEY_PASSWORD'
/** More is no key. */
const keyBytesMax = 16 * 1024

const help = `
Signatures and keys are those of minisign, in both directions: minisign -V proves what this signs, and a
key that minisign -G made signs here. A key with a password: it is asked for on a terminal, else taken from
--password-file or ${passwordVariable}. A new key has no password; it is a file for its owner alone.

Examples:
  edgeboot model sign --generate-key author     author.key (secret) and author.pub (for models.keys)
  edgeboot model sign threshold-1.4.0.zip --key author.key
  edgeboot model sign threshold-1.4.0.zip --key ~/.minisign/minisign.key --comment 'threshold 1.4.0'`

interface SignFlags {
  readonly key?: string
  readonly comment?: string
  readonly passwordFile?: string
  readonly generateKey?: string
}

/** Adds `edgeboot model sign`. */
export function addSignCommand(model: Command, io: CommandIo): void {
  model
    .command('sign')
    .summary('sign a package, or make a key to sign with')
    .description('Signs a package: writes PACKAGE.minisig beside it. Makes keys.')
    .argument('[package]', 'the zip')
    .option('--key <file>', 'the secret key')
    .option(
      '--comment <text>',
      'a trusted comment, which the signature covers (default: file and time)',
    )
    .option('--password-file <file>', 'a file with the password of the key')
    .option('--generate-key <base>', 'make BASE.key and BASE.pub instead')
    .addHelpText('after', help)
    .action(async (given: string | undefined, flags: SignFlags) => {
      if (flags.generateKey !== undefined) await generate(flags.generateKey, given, io)
      else await sign(given, flags, io)
    })
}

async function generate(base: string, given: string | undefined, io: CommandIo): Promise<void> {
  if (given !== undefined) throw usage('--generate-key takes no package', 'Sign it afterwards.')
  const [secretFile, publicFile] = [`${base}.key`, `${base}.pub`]
  for (const file of [secretFile, publicFile]) {
    if (existsSync(resolve(io.cwd, file))) {
      throw usage(`${file} is there already`, 'A key is never overwritten: take another name.')
    }
  }
  const { id, secretText, publicText, publicLine: line } = makeKeys()
  await writeFile(resolve(io.cwd, secretFile), secretText, { mode: 0o600, flag: 'wx' })
  await writeFile(resolve(io.cwd, publicFile), publicText, { flag: 'wx' })
  io.stdout(`made key ${id}: ${secretFile} is secret, ${publicFile} is for everybody\n\n`)
  io.stdout(`models:\n  require: signature\n  keys: [${line}]\n`)
}

async function sign(given: string | undefined, flags: SignFlags, io: CommandIo): Promise<void> {
  if (given === undefined) throw usage('no package is named', 'Name the zip to sign.')
  if (flags.key === undefined) {
    throw usage(
      'no key is named',
      'Give --key FILE; edgeboot model sign --generate-key BASE makes one.',
    )
  }
  const comment =
    flags.comment ?? `file:${basename(given)}\ttimestamp:${Math.floor(Date.now() / 1000)}`
  if (/[\r\n]/.test(comment) || comment.length > 1000) {
    throw usage('--comment is more than one line', 'Give one line of at most 1000 characters.')
  }
  const file = resolve(io.cwd, given)
  const stats = await stat(file).catch(() => undefined)
  if (stats?.isFile() !== true) {
    const fix = 'Name the zip of a package; edgeboot model pack FOLDER makes one.'
    throw usage(stats === undefined ? `there is no ${given}` : `${given} is a folder`, fix)
  }
  const key = await openKey(flags.key, flags, io)
  const hash = await blake2b512Of(readFileChunks(file))
  await writeFile(`${file}.minisig`, signatureText(key, hash, comment))
  io.stdout(`signed ${given} with key ${key.id}: ${given}.minisig\n`)
  io.stdout(`trusted comment: ${comment}\n`)
  io.stdout(`public key for models.keys: ${publicLine(key)}\n`)
}

async function openKey(given: string, flags: SignFlags, io: CommandIo): Promise<SigningKey> {
  const text = await readSmall(given, 'the key', io)
  if (!isEncryptedKey(text)) return await readSigningKey(text, given)
  const password =
    flags.passwordFile === undefined
      ? (io.env[passwordVariable] ?? (await io.askSecret?.(`password of ${given}: `)))
      : (await readSmall(flags.passwordFile, 'the password file', io)).replace(/\r?\n$/, '')
  if (password === undefined) {
    throw usage(
      `${given} is protected by a password, and there is no terminal to ask for it`,
      `Give --password-file FILE, or ${passwordVariable} in the environment.`,
    )
  }
  return await readSigningKey(text, given, password)
}

async function readSmall(given: string, what: string, io: CommandIo): Promise<string> {
  const file = resolve(io.cwd, given)
  try {
    if ((await stat(file)).size > keyBytesMax)
      throw usage(`${given} is too large`, 'Name a key file.')
    return await readFile(file, 'utf8')
  } catch (thrown) {
    if (thrown instanceof EdgebootError) throw thrown
    const why = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown error'
    throw usage(`${what} ${given} cannot be read: ${why}`, 'Check the path and who may read it.')
  }
}

function usage(message: string, fix: string): EdgebootError {
  return new EdgebootError('CLI_USAGE', message, { fix })
}

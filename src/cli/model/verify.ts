import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { parseDigestText } from '../../core/digest-text.ts'
import { EdgebootError } from '../../core/errors.ts'
import { minisignTextMax } from '../../core/minisign.ts'
import { checkDigests } from '../../models/digest.ts'
import { checkSignature } from '../../models/package-proof.ts'
import { digestFile } from '../../models/save-stream.ts'
import type { CommandIo } from '../command-io.ts'
import { sizeText } from '../text-table.ts'
import { findModelsPlaceOrDefaults } from './models-place.ts'
import { readPublicKey } from './trusted-keys.ts'

const help = `
Exit status 0 means that everything that was asked for holds. The keys are those of --public-key, else
models.keys of the configuration.

Examples:
  edgeboot model verify threshold-1.4.0.zip                         by the keys of conf/config.yaml
  edgeboot model verify threshold-1.4.0.zip --public-key author.pub
  edgeboot model verify threshold-1.4.0.zip --sha256 9f86d0…`

interface VerifyFlags {
  readonly config?: string
  readonly publicKey?: string
  readonly signature?: string
  readonly sha256?: string
}

/** Adds `edgeboot model verify`. */
export function addVerifyCommand(model: Command, io: CommandIo): void {
  model
    .command('verify')
    .summary('check the digest and the signature of a package')
    .description('Checks the signature of a package, its digest, or both.')
    .argument('<package>', 'the zip')
    .option('--public-key <key>', 'the key of whoever signed it: a line or a file')
    .option('--signature <file>', 'the signature (default: the package with .minisig behind it)')
    .option('--sha256 <digest>', 'the SHA-256 that it must have')
    .option('-c, --config <file>', 'a configuration with models.keys (default: conf/config.yaml)')
    .addHelpText('after', help)
    .action(async (given: string, flags: VerifyFlags) => verify(given, flags, io))
}

async function verify(given: string, flags: VerifyFlags, io: CommandIo): Promise<void> {
  const file = resolve(io.cwd, given)
  const stats = await stat(file).catch(() => undefined)
  if (stats?.isFile() !== true) {
    const what = stats === undefined ? 'there is no' : 'it is a folder, which cannot be proven:'
    throw new EdgebootError('CLI_USAGE', `${what} ${given}`, { fix: 'Name the zip of a package.' })
  }
  const keys = keysOf(flags, io)
  const signatureFile = resolve(io.cwd, flags.signature ?? `${given}.minisig`)
  if (keys.length === 0 && flags.sha256 === undefined) {
    throw new EdgebootError('CLI_USAGE', 'there is nothing to verify it with', {
      fix: 'Give --public-key or --sha256, or a configuration with models.keys.',
    })
  }
  const digests = await digestFile(file, { bytesMax: Infinity, where: given })
  io.stdout(`${given}: ${sizeText(digests.bytes)}, SHA-256 ${digests.sha256}\n`)
  if (flags.sha256 !== undefined) {
    const sha256 = parseDigestText('sha256', flags.sha256)
    if (sha256 === undefined) {
      throw new EdgebootError(
        'CLI_USAGE',
        `--sha256 ${JSON.stringify(flags.sha256)} is no SHA-256`,
        {
          fix: 'Give 64 hexadecimal digits.',
        },
      )
    }
    checkDigests(digests, { sha256 }, given, given)
    io.stdout('the digest is the one that was asked for\n')
    // A digest is enough where no key was named for this very command.
    if (flags.publicKey === undefined && !existsSync(signatureFile)) return
  }
  if (keys.length === 0) return
  const proof = await checkSignature({
    file,
    bytes: digests.bytes,
    signatureText: await readSignatureFile(signatureFile, given),
    where: signatureFile,
    subject: given,
    keys,
  })
  io.stdout(`the signature holds: key ${proof.keyId}, trusted comment: ${proof.trustedComment}\n`)
}

function keysOf({ publicKey, config }: VerifyFlags, io: CommandIo): readonly string[] {
  if (publicKey !== undefined) return [readPublicKey(publicKey, io)]
  return findModelsPlaceOrDefaults(config === undefined ? {} : { config }, io).models.keys
}

async function readSignatureFile(file: string, given: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size <= minisignTextMax) return await readFile(file, 'utf8')
  } catch {
    throw new EdgebootError('MODEL_SIGNATURE_MISSING', `${given} has no signature at ${file}`, {
      fix: 'Name it with --signature, or sign the package: edgeboot model sign PACKAGE --key FILE.',
    })
  }
  throw new EdgebootError('MODEL_SIGNATURE_INVALID', `${file} is too large for a signature`)
}

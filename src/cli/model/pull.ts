import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import type { ModelSource, ModelsSettings } from '../../config/settings.ts'
import { EdgebootError } from '../../core/errors.ts'
import type { ModelPackage } from '../../models/model-package.ts'
import { displayAddress, isRemoteAddress } from '../../models/package-address.ts'
import type { CommandIo } from '../command-io.ts'
import { addModelsPlaceOptions, findModelsPlace, type ModelsPlaceFlags } from './models-place.ts'
import { openStore, type OpenStore } from './open-store.ts'
import { PullProgress } from './pull-progress.ts'
import { readPublicKey } from './trusted-keys.ts'

const help = `
The package is fetched, checked and unpacked into the store, as edgeboot run would do it: under the limits
and the policy of the configuration. Nothing that runs changes. A download that ends early is gone on
with by the next pull, or by edgeboot run. So a gateway can be given its models before it goes to where
the network is bad.

Examples:
  edgeboot model pull threshold                             as the funcs of the configuration say
  edgeboot model pull https://models.example/threshold.zip --sha256 9f86d0…
  edgeboot model pull ./threshold.zip --public-key author.pub`

interface PullFlags extends ModelsPlaceFlags {
  readonly name?: string
  readonly sha256?: string
  readonly publicKey?: string
  readonly signature?: string
}

/** Adds `edgeboot model pull`. */
export function addPullCommand(model: Command, io: CommandIo): void {
  const command = model
    .command('pull')
    .summary('fetch a package into the store')
    .description('Fetches a package into the store, checks it, and changes nothing that runs.')
    .argument(
      '<address|name>',
      'an http(s) address, the path of a zip, or a model of the configuration',
    )
    .option('--name <name>', 'the model that it is a version of (default: by the name of the file)')
    .option('--sha256 <digest>', 'the SHA-256 that it must have')
    .option('--public-key <key>', 'a signature by this key of minisign is needed; a line or a file')
    .option('--signature <address>', 'where the signature is (default: .minisig after the address)')
    .addHelpText('after', help)
  addModelsPlaceOptions(command).action(async (target: string, flags: PullFlags) => {
    const { models, settings } = findModelsPlace(flags, io)
    const policy: ModelsSettings = {
      ...models,
      // Whoever pulls wants it looked at now.
      download: 'always',
      ...(flags.publicKey !== undefined && {
        require: 'signature' as const,
        keys: [readPublicKey(flags.publicKey, io)],
      }),
    }
    const sources = sourcesOf(target, flags, settings?.pipelines.map((one) => one.model) ?? [], io)
    const opened = openStore(policy, io)
    for (const source of sources) await pull(source, opened, models.folder, io)
  })
}

/** What funcs say of a model may differ: all of it is fetched. */
function sourcesOf(
  target: string,
  flags: PullFlags,
  configured: readonly ModelSource[],
  io: CommandIo,
): readonly ModelSource[] {
  const more = {
    ...(flags.sha256 !== undefined && { sha256: flags.sha256 }),
    ...(flags.signature !== undefined && { signature: addressOf(flags.signature, io) }),
  }
  if (!isAddress(target)) {
    const named = configured.filter(({ name }) => name === target)
    const unique = new Map(named.map((source) => [JSON.stringify(source), { ...source, ...more }]))
    const found = [...unique.values()].filter(({ address }) => address !== undefined)
    if (found.length > 0) return found
    const why = named.length > 0 ? 'has no modelAddress' : 'is not in the configuration'
    const known = [...new Set(configured.map(({ name }) => name))].join(', ')
    throw new EdgebootError('CLI_USAGE', `the model ${JSON.stringify(target)} ${why}`, {
      fix: `Give an http(s) address or the path of a zip${known === '' ? '' : `, or one of ${known}`}.`,
    })
  }
  const address = addressOf(target, io)
  return [{ name: flags.name ?? nameFrom(address), address, ...more }]
}

function isAddress(target: string): boolean {
  return isRemoteAddress(target) || /[/\\]/.test(target) || /\.zip$/i.test(target)
}

function addressOf(given: string, io: CommandIo): string {
  return isRemoteAddress(given) ? given : resolve(io.cwd, given)
}

/** `threshold-1.4.0.zip` is a version of `threshold`. */
function nameFrom(address: string): string {
  const file = basename(displayAddress(address)).replace(/\.zip$/i, '')
  return file.replace(/[-_]v?\d+(\.\d+)*([-+.][\w.+-]*)?$/, '') || file
}

async function pull(
  source: ModelSource,
  { store }: OpenStore,
  folder: string,
  io: CommandIo,
): Promise<void> {
  const progress = new PullProgress(io, () => performance.now())
  let found: ModelPackage
  try {
    found = await store.pull(source, {
      onState: (state, detail) => {
        progress.end()
        if (state === 'FETCHING') io.stdout(`fetching ${detail}\n`)
      },
      onProgress: (bytes, total) => progress.update(bytes, total),
    })
  } finally {
    progress.end()
  }
  const { sha256 = '', version, runtime } = found
  io.stdout(`${source.name} ${version} is in the store: ${runtime}, SHA-256 ${sha256}\n`)
  io.stdout(`in ${folder}/.edgeboot/packages/${sha256}\n`)
  const record = await store.versions.read(source.name)
  if (record.active?.sha256 === sha256) io.stdout('It is the active version.\n')
  else {
    const next = `edgeboot model activate ${source.name} ${sha256.slice(0, 12)}`
    io.stdout(
      `It is not active: where the configuration leads to it, the next start or reload takes it;\n`,
    )
    io.stdout(`${next} does by hand.\n`)
  }
}

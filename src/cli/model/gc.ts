import { InvalidArgumentError, type Command } from 'commander'
import { systemClock } from '../../core/clock.ts'
import { findGarbage, removeGarbage } from '../../models/collect-garbage.ts'
import type { CommandIo } from '../command-io.ts'
import { sizeText } from '../text-table.ts'
import { addModelsPlaceOptions, findModelsPlace, type ModelsPlaceFlags } from './models-place.ts'
import { openStore } from './open-store.ts'

const help = `
Never removed: what is active, previous, pinned or proven last for any model, what the configuration names
or had last from its addresses, what came within the last hour, and models that lie in folders of their own.
With --models and no configuration, what came last from any address is kept too. It may run while edgeboot
runs.

Examples:
  edgeboot model gc --dry-run    what it would remove
  edgeboot model gc --keep 3     keeps the latest three versions of each model that served`

interface GcFlags extends ModelsPlaceFlags {
  readonly dryRun?: boolean
  readonly keep?: number
}

/** Adds `edgeboot model gc`. */
export function addGcCommand(model: Command, io: CommandIo): void {
  const command = model
    .command('gc')
    .summary('remove what the store does not need any more')
    .description('Removes packages, partial downloads and environments that nobody needs any more.')
    .option('--dry-run', 'only say what it would remove')
    .option('--keep <count>', 'keep as many versions of each model (default: 0 more)', parseKeep)
    .addHelpText('after', help)
  addModelsPlaceOptions(command).action(async (flags: GcFlags) => {
    const { models, settings } = findModelsPlace(flags, io)
    const { store, packages } = openStore(models, io)
    const garbage = await findGarbage({
      modelsFolder: models.folder,
      versions: store.versions,
      packages,
      ...(settings !== undefined && { sources: settings.pipelines.map((one) => one.model) }),
      keep: flags.keep ?? 0,
      clock: systemClock,
    })
    const isDry = flags.dryRun === true
    let bytes = 0
    for (const one of garbage) {
      if (!isDry) await removeGarbage(one, packages)
      bytes += one.bytes
      const done = isDry ? 'would remove' : 'removed'
      io.stdout(`${done} ${one.kind} ${one.name}, ${sizeText(one.bytes)}\n`)
    }
    const total = `${garbage.length} of them, ${sizeText(bytes)}`
    if (garbage.length === 0) io.stdout('nothing to remove\n')
    else io.stdout(isDry ? `in all ${total}; nothing was removed\n` : `freed ${total}\n`)
  })
}

function parseKeep(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('Give a number of versions.')
  return Number(text)
}

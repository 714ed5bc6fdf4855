import { PriorityGroup, type Starter } from '../boot/starter.ts'
import type { StarterContext } from '../boot/starter-context.ts'
import { readManifest } from '../config/manifest/read-manifest.ts'
import { ModelStore } from '../models/model-store.ts'
import { modelStoreKey, settingsKey } from './services.ts'

/** Offers the model store. Downloads begin when a pipeline asks for its model. */
export class ModelStarter implements Starter {
  readonly name = 'model'
  readonly priorityGroup = PriorityGroup.BasicResources
  readonly priority = 20_000
  readonly blocking = false

  init(): void {}

  setup(context: StarterContext): void {
    const settings = context.get(settingsKey).models
    const { clock, log } = context
    context.provide(modelStoreKey, new ModelStore({ settings, clock, log, readManifest }))
  }

  start(): void {}
  stop(): void {}
}

import { PriorityGroup, type Starter } from '../boot/starter.ts'
import type { StarterContext } from '../boot/starter-context.ts'
import { readManifest } from '../config/manifest/read-manifest.ts'
import { markOfThisProcess } from '../host/orphan-sweep.ts'
import { PythonEnvironments } from '../models/environments/python-environments.ts'
import { ModelStore } from '../models/model-store.ts'
import { modelStoreKey, settingsKey } from './services.ts'

/** Offers the model store. Downloads begin when a pipeline asks for its model. */
export class ModelStarter implements Starter {
  readonly name = 'model'
  readonly priorityGroup = PriorityGroup.BasicResources
  readonly priority = 20_000
  readonly blocking = false

  readonly #environment: Readonly<Record<string, string | undefined>>

  /** @param environment - Of this process. */
  constructor(environment: Readonly<Record<string, string | undefined>>) {
    this.#environment = environment
  }

  init(): void {}

  setup(context: StarterContext): void {
    const settings = context.get(settingsKey).models
    const { clock, log } = context
    const mark = markOfThisProcess()
    const environments = PythonEnvironments.of(settings, {
      environment: this.#environment,
      ...(mark === undefined ? {} : { mark }),
      clock,
      log,
    })
    const parts = { settings, clock, log, readManifest }
    const store = new ModelStore(environments === undefined ? parts : { ...parts, environments })
    context.provide(modelStoreKey, store)
  }

  start(): void {}
  stop(): void {}
}

import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { loadSettings } from '../../config/load.ts'
import type { BrokerSettings, Settings } from '../../config/settings.ts'
import { ChaosInstance } from './instance.ts'
import { findMosquitto, freePort, LocalBroker } from './local-broker.ts'
import { readNative, rehearsalConfig } from './rehearsal-config.ts'
import { SmallDisk } from './small-disk.ts'
import { TcpProxy } from './tcp-proxy.ts'

/** Where a run takes place. */
export interface StageOptions {
  /** Relative to `cwd`. */
  readonly config: string
  /** A program; default: the one on the PATH. */
  readonly mosquitto: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Everything that the run writes goes in here. */
  readonly folder: string
}

/** A broker of the configuration, as the run has it. */
export interface BrokerPlace {
  /** How the run itself reaches it. */
  readonly settings: BrokerSettings
  readonly broker: LocalBroker
  /** What edgeboot connects to. */
  readonly proxy: TcpProxy
}

/**
 * What a chaos run plays on: a Mosquitto for each broker of the configuration with a proxy in front,
 * a disk that can be filled, and an edgeboot on them, which is not started yet.
 */
export class ChaosStage {
  readonly places: readonly BrokerPlace[]
  readonly disk: SmallDisk
  readonly instance: ChaosInstance
  readonly settings: Settings

  private constructor(parts: {
    places: readonly BrokerPlace[]
    disk: SmallDisk
    instance: ChaosInstance
    settings: Settings
  }) {
    this.places = parts.places
    this.disk = parts.disk
    this.instance = parts.instance
    this.settings = parts.settings
  }

  /**
   * @param clearing - Gets what must be called, in reverse order, to put all of it away; also of a
   * stage that could not be opened in full.
   * @throws EdgebootError `CONFIG_INVALID`, `CONFIG_NOT_FOUND`, `CLI_MOSQUITTO_MISSING`.
   */
  static async open(
    options: StageOptions,
    clearing: (clear: () => unknown) => void,
  ): Promise<ChaosStage> {
    const { config, env, cwd, folder } = options
    const native = readNative(config, env, cwd)
    const command = findMosquitto(options.mosquitto, env)
    const disk = SmallDisk.mount(join(folder, 'state'))
    clearing(() => disk.unmount())
    const built = new Map<string, { broker: LocalBroker; proxy: TcpProxy }>()
    for (const { name } of native.mqtts) {
      const broker = await LocalBroker.start(command, join(folder, `broker-${built.size + 1}`))
      clearing(() => broker.halt('SIGKILL'))
      const proxy = await TcpProxy.listen(broker.port)
      clearing(() => proxy.close())
      built.set(name, { broker, proxy })
    }
    const webPort = await freePort()
    const file = join(folder, 'rehearsal.json')
    const derived = rehearsalConfig(native, resolve(cwd, config), {
      brokers: new Map([...built].map(([name, { proxy }]) => [name, localUrl(proxy.port)])),
      stateFolder: disk.folder,
      webPort,
    })
    await writeFile(file, JSON.stringify(derived, undefined, 2), { mode: 0o600 })
    const { settings } = loadSettings(file, { env, cwd })
    const instance = new ChaosInstance({
      config: file,
      webPort,
      logFile: join(folder, 'edgeboot.log'),
      env,
      cwd,
    })
    clearing(() => instance.kill())
    const places = settings.brokers.flatMap((broker): BrokerPlace[] => {
      const found = built.get(broker.name)
      const url = localUrl(found?.broker.port ?? 0)
      return found === undefined ? [] : [{ settings: { ...broker, url }, ...found }]
    })
    return new ChaosStage({ places, disk, instance, settings })
  }
}

function localUrl(port: number): string {
  return `mqtt://127.0.0.1:${port}`
}

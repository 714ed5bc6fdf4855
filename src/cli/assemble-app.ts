import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { Boot } from '../boot/boot.ts'
import type { Starter } from '../boot/starter.ts'
import { readIdentity } from '../config/identity-file.ts'
import { loadSettings, type LoadedSettings } from '../config/load.ts'
import type { LoadPins } from '../config/reload-settings.ts'
import type { Logger, LogLevel } from '../core/log.ts'
import { ConfStarter } from '../starters/conf-starter.ts'
import { EmbeddedBrokerStarter } from '../starters/embedded-broker-starter.ts'
import { HookStarter } from '../starters/hook-starter.ts'
import { ModelStarter } from '../starters/model-starter.ts'
import { ProcessorStarter } from '../starters/processor-starter.ts'
import { ReloadStarter } from '../starters/reload-starter.ts'
import { SessionStarter } from '../starters/session-starter.ts'
import { WebStarter } from '../starters/web-starter.ts'
import type { CommandIo } from './command-io.ts'
import { loadAppStarters } from './load-app.ts'

/** What an instance is told on its command line. */
export interface AppOptions {
  /** Relative to the working folder. */
  readonly config: string
  /** File with the user's own starters. */
  readonly app?: string
  readonly logLevel: LogLevel
  readonly drainMs: number
  readonly version: string
  readonly log: Logger
  readonly io: CommandIo
  /** Instead of the configured one. */
  readonly webPort?: number
  /** Reload by itself when the configuration or a local model changes. */
  readonly watch?: boolean
  /** Registered with the user's own. */
  readonly extraStarters?: readonly Starter[]
}

/**
 * Puts the application together: edgeboot's own starters, then the user's, then the one that
 * listens to signals. The order of this list is the order of starting.
 *
 * @throws EdgebootError `CONFIG_NOT_FOUND`, `CONFIG_INVALID`, `CLI_APP_INVALID`.
 */
export async function assembleApp(options: AppOptions): Promise<Boot> {
  const { io, version, logLevel, drainMs, log } = options
  const file = resolve(io.cwd, options.config)
  // Loaded before anything is built: a mistake is printed for a person, not logged.
  const { env, cwd } = io
  const load = ({ identityOf, ...pins }: LoadPins): LoadedSettings => {
    const mayRead = (folder: string): boolean => identityOf === undefined || folder === identityOf
    const loaded = loadSettings(file, {
      env,
      cwd,
      instance: hostname(),
      readIdentity: (folder) => (mayRead(folder) ? readIdentity(folder) : ''),
      ...pins,
    })
    return withWebPort(loaded, options.webPort)
  }
  const loaded = load({})
  const own = await loadAppStarters(options.app, io.cwd, file)
  const starters: Starter[] = [
    new ConfStarter(() => loaded, load),
    new EmbeddedBrokerStarter(),
    new ModelStarter(io.env),
    new ProcessorStarter({ version, logLevel, drainMs, environment: io.env }),
    new SessionStarter(),
    new ReloadStarter({ watch: options.watch ?? false, drainMs }),
    new WebStarter(),
    ...own,
    ...(options.extraStarters ?? []),
    new HookStarter(),
  ]
  return new Boot({ starters, log })
}

function withWebPort(loaded: LoadedSettings, port: number | undefined): LoadedSettings {
  if (port === undefined) return loaded
  const { settings } = loaded
  return { ...loaded, settings: { ...settings, web: { ...settings.web, port } } }
}

import { InvalidArgumentError, Option, type Command } from 'commander'
import { formatDuration, parseDurationMs } from '../config/duration.ts'
import { limits } from '../core/limits.ts'
import { logLevels, type LogLevel } from '../core/log.ts'
import { assembleApp } from './assemble-app.ts'
import type { CommandIo } from './command-io.ts'
import { createPinoLogger } from './pino-logger.ts'

const help = `
Runs until SIGINT or SIGTERM. The first stops in order and ends with status 0: reading stops, what
is in motion comes out within --drain-timeout, brokers are left. With QoS 1, what came out is
acknowledged; the broker keeps the rest and sends it again at the next start. A second signal stops
at once.

SIGHUP reads the configuration again, and so does every change of it with --watch: pipelines whose
configuration or model changed are exchanged, each when its new model is loaded; the others run on.
A file with mistakes is refused, and all goes on as it was. With QoS 1 nothing is lost.

Examples:
  edgeboot run                                    conf/config.yaml, as pyboot has it
  edgeboot run --config plant.yaml --log-level debug
  edgeboot run --config plant.yaml --log-file logs/edgeboot.log --log-keep 14
  edgeboot run --config plant.yaml --watch        reload whenever the file or a model is saved
  kill -HUP PID                                   reload once
  DOWNLOAD_MODEL=False edgeboot run               never touch the network for models

Environment: DOWNLOAD_MODEL, MAX_EDGE_NUM, PYBOOT_HOME, EDGEBOOT_PYTHON; and what the
configuration names with \${NAME}.`

interface RunFlags {
  readonly config: string
  readonly app?: string
  readonly webPort?: number
  readonly logLevel: LogLevel
  readonly logFormat: 'auto' | 'json' | 'pretty'
  readonly logFile?: string
  readonly logKeep: number
  readonly drainTimeout: number
  readonly watch?: boolean
}

/** `edgeboot run`: the product. */
export function addRunCommand(program: Command, io: CommandIo, version: string): void {
  program
    .command('run')
    .summary('run the pipelines of a configuration')
    .description('Runs the pipelines of a configuration until it is stopped.')
    .option('-c, --config <file>', 'the configuration', 'conf/config.yaml')
    .option('--app <file>', 'your own starters (default: edgeboot.config.ts, where there is one)')
    .option(
      '--web-port <port>',
      'HTTP port instead of the configured one; 0 for a free one',
      parsePort,
    )
    .addOption(logLevelOption())
    .addOption(logFormatOption())
    .option('--log-file <file>', 'write JSON lines to this file as well, a new one every day')
    .option('--log-keep <days>', 'daily log files to keep', parseCount, 7)
    .addOption(
      new Option(
        '--drain-timeout <time>',
        'how long what is in motion may take to come out at a stop',
      )
        .argParser(parseTime)
        .default(limits.drainMs, formatDuration(limits.drainMs)),
    )
    .option('--watch', 'reload when the configuration or a local model changes')
    .addHelpText('after', help)
    .action(async (flags: RunFlags) => {
      const { logger, flush } = createPinoLogger({
        format: flags.logFormat,
        level: flags.logLevel,
        ...(flags.logFile === undefined
          ? {}
          : { file: flags.logFile, rotateKeepDays: flags.logKeep }),
      })
      try {
        const boot = await assembleApp({
          config: flags.config,
          ...(flags.app === undefined ? {} : { app: flags.app }),
          ...(flags.webPort === undefined ? {} : { webPort: flags.webPort }),
          ...(flags.watch === undefined ? {} : { watch: flags.watch }),
          logLevel: flags.logLevel,
          drainMs: flags.drainTimeout,
          version,
          log: logger,
          io,
        })
        io.exit(await boot.run())
      } finally {
        await flush()
      }
    })
}

function logLevelOption(): Option {
  return new Option('--log-level <level>', 'the quietest level that is written')
    .choices(logLevels)
    .default('info' satisfies LogLevel)
}

function logFormatOption(): Option {
  return new Option('--log-format <format>', 'auto is pretty on a terminal and JSON elsewhere')
    .choices(['auto', 'json', 'pretty'])
    .default('auto')
}

/** A whole number above zero. */
export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Give a whole number above 0.')
  return Number(text)
}

/** A TCP port; 0 asks for a free one. */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN
  if (!(port <= 65_535)) throw new InvalidArgumentError('Give a port from 0 to 65535.')
  return port
}

function parseTime(text: string): number {
  const ms = parseDurationMs(text)
  if (ms === undefined) throw new InvalidArgumentError('Give a time such as 20s, 500ms or 1m.')
  return ms
}

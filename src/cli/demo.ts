import type { Command } from 'commander'
import { EdgebootError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { assembleApp } from './assemble-app.ts'
import type { CommandIo } from './command-io.ts'
import { shippedExample } from './shipped-example.ts'
import { DemoPlant } from './demo-plant.ts'
import { DemoScreen } from './demo-screen.ts'
import { createPinoLogger } from './pino-logger.ts'
import { parseCount, parsePort } from './run.ts'

const help = `
Starts an MQTT broker inside this process, a plant of four simulated devices, and the pipelines of
examples/demo/config.yaml: a Python model and a TypeScript model, each in a process of its own.
Needs Python 3 on the PATH, and neither a broker nor a network. Ctrl-C ends it.

The table: messages in, results out, results per second, time from receipt to result, events
waiting / in the model / waiting for the broker, and what gave no result, by reason.

Examples:
  edgeboot demo
  edgeboot demo --seconds 20             ends by itself; status 1 if nothing came out
  edgeboot demo --rate 2000 --port 0     busier, HTTP on a free port`

interface DemoFlags {
  readonly seconds?: number
  readonly rate: number
  readonly port?: number
}

/** `edgeboot demo`: everything at work, with nothing to install and nothing to configure. */
export function addDemoCommand(program: Command, io: CommandIo, version: string): void {
  program
    .command('demo')
    .summary('see it work, with a broker and devices of its own')
    .description('Runs a broker, a simulated plant and two models, and shows what flows.')
    .option('--seconds <count>', 'end after this many seconds', parseCount)
    .option('--rate <count>', 'messages per second of the whole plant', parseCount, 200)
    .option('--port <port>', 'HTTP port, 0 for a free one (default: 5888)', parsePort)
    .addHelpText('after', help)
    .action(async (flags: DemoFlags) => {
      const screen = new DemoScreen({ stdout: process.stdout, seconds: flags.seconds })
      const { logger, flush } = createPinoLogger({
        format: 'pretty',
        level: 'warn',
        stdout: screen.logStream,
      })
      const plant = new DemoPlant({ rate: flags.rate })
      const files = await shippedExample('demo')
      try {
        const boot = await assembleApp({
          config: files.config,
          ...(flags.port === undefined ? {} : { webPort: flags.port }),
          logLevel: 'warn',
          drainMs: limits.drainMs,
          version,
          log: logger,
          io,
          extraStarters: [plant, screen],
        })
        const status = await boot.run().catch(adviseOnPort)
        screen.summarize(plant.sent)
        // Whoever ends it by hand may do so before anything came.
        if (status === 0 && flags.seconds !== undefined && screen.published === 0) {
          throw new EdgebootError('CLI_NOTHING_CAME_OUT', 'the demo ended and no result came out')
        }
        io.exit(status)
      } finally {
        await flush()
        await files.remove()
      }
    })
}

/** The configuration of the demo is not the user's to edit: what helps is an option. */
function adviseOnPort(thrown: unknown): never {
  if (!(thrown instanceof EdgebootError) || thrown.code !== 'WEB_PORT_IN_USE') throw thrown
  throw new EdgebootError(thrown.code, thrown.message, {
    cause: thrown.cause,
    details: thrown.details,
    fix: "Use another port: edgeboot demo --port 0, or make demo DEMO='--port 0', takes a free one.",
  })
}

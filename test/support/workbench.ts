import { EdgebootProcess } from './edgeboot-process.ts'
import { Scratch } from './scratch.ts'

/** A folder for one test, with a configuration, models, and the processes started on them. */
export class Workbench {
  readonly #scratch: Scratch
  readonly #processes: EdgebootProcess[] = []

  private constructor(scratch: Scratch) {
    this.#scratch = scratch
  }

  static async open(): Promise<Workbench> {
    return new Workbench(await Scratch.make())
  }

  get folder(): string {
    return this.#scratch.folder
  }

  /** Writes a file below the folder, and gives its path. */
  write(path: string, content: string | Buffer): Promise<string> {
    return this.#scratch.write(path, content)
  }

  /**
   * Writes a configuration with one broker and a rule for each func: in on `in/<model>`, out on
   * `out/<model>`.
   *
   * @param models - Name of each model, with further lines of its func.
   * @param more.broker - Further lines of the broker.
   * @param more.models - Instead of `models: { folder: models }`.
   */
  async configure(
    port: number,
    models: Readonly<Record<string, string>>,
    more: { broker?: string; models?: string } = {},
  ): Promise<string> {
    const { broker = '', models: written = 'models: { folder: models }' } = more
    const names = Object.keys(models)
    const indent = (lines: string): string =>
      lines === '' ? '' : `${lines.replaceAll(/^/gm, '    ')}\n`
    const rules = names.map(
      (name) =>
        `  - name: ${name}\n` +
        `    sub: { name: plant, clientId: ${name}-in, topic: in/${name} }\n` +
        `    pub: { name: plant, clientId: ${name}-out, topic: out/${name} }\n` +
        `    funcs: [${name}]\n`,
    )
    const funcs = names.map((name) => `  - modelName: ${name}\n${indent(models[name] ?? '')}`)
    return this.write(
      'config.yaml',
      `mqtts:\n  - name: plant\n    broker: tcp://127.0.0.1:${port}\n${indent(broker)}` +
        `rules:\n${rules.join('')}funcs:\n${funcs.join('')}` +
        `${written}\nweb: { port: 0 }\n`,
    )
  }

  /** Starts `edgeboot run` on a configuration of this folder. */
  run(config: string, env: Readonly<Record<string, string>> = {}): EdgebootProcess {
    const edgeboot = EdgebootProcess.run(config, { cwd: this.folder, env })
    this.#processes.push(edgeboot)
    return edgeboot
  }

  /** Starts any command in this folder. */
  command(...args: readonly string[]): EdgebootProcess {
    const edgeboot = EdgebootProcess.command(args, { cwd: this.folder })
    this.#processes.push(edgeboot)
    return edgeboot
  }

  /** Ends what was started and deletes the folder. */
  async close(): Promise<void> {
    await Promise.all(this.#processes.map((edgeboot) => edgeboot.stop()))
    await this.#scratch[Symbol.asyncDispose]()
  }
}

/** A Python model that repeats its event. */
export const echoPython = 'def handler(event, context):\n    return event\n'

/** A TypeScript model that repeats its event. */
export const echoTypeScript =
  'export function handler(event: Record<string, unknown>) {\n  return event\n}\n'

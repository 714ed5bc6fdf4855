import type { Command } from 'commander'
import { describeFinding, type Finding } from '../config/finding.ts'
import { inspectConfig } from '../config/load.ts'
import { asEdgebootError, describeError } from '../core/errors.ts'
import { defaultConfigFile, type CommandIo } from './command-io.ts'

/** What became of one file. */
interface Report {
  readonly file: string
  readonly valid: boolean
  readonly brokers: number
  readonly pipelines: number
  readonly findings: readonly Finding[]
  /** A file that could not be looked at, as a person reads it. */
  readonly failure?: string
}

const exitInvalid = 3

const help = `
Every mistake is listed at once, with line, column and what to write instead.
Nothing is started, downloaded or connected. Warnings do not fail.

Exit status: 0 when every file is valid, 3 when one is not.

Examples:
  edgeboot validate                          check ${defaultConfigFile}
  edgeboot validate plant.yaml pump.yaml     check several
  edgeboot validate --json plant.yaml        findings for a program`

/** Adds `edgeboot validate`. */
export function addValidateCommand(program: Command, io: CommandIo): void {
  program
    .command('validate')
    .summary('check configuration files without starting anything')
    .description('Checks configuration files, in the native form or any of pyboot’s.')
    .argument('[files...]', `files to check (default: ${defaultConfigFile})`)
    .option('--json', 'print one JSON document instead of lines')
    .addHelpText('after', help)
    .action((files: string[], options: { json?: boolean }) => {
      const reports = (files.length === 0 ? [defaultConfigFile] : files).map((file) =>
        inspect(file, io),
      )
      if (options.json) io.stdout(`${JSON.stringify(reports, undefined, 2)}\n`)
      else for (const report of reports) print(report, io)
      if (reports.some((report) => !report.valid)) io.exit(exitInvalid)
    })
}

function inspect(file: string, io: CommandIo): Report {
  try {
    const { settings, findings } = inspectConfig(file, { env: io.env, cwd: io.cwd })
    return {
      file,
      valid: settings !== undefined,
      brokers: settings?.brokers.length ?? 0,
      pipelines: settings?.pipelines.length ?? 0,
      findings,
    }
  } catch (thrown) {
    const error = asEdgebootError(thrown)
    if (error.code !== 'CONFIG_NOT_FOUND') throw error
    const failure = describeError(error)
    return { file, valid: false, brokers: 0, pipelines: 0, findings: [], failure }
  }
}

function print(report: Report, io: CommandIo): void {
  if (report.failure !== undefined) {
    io.stderr(`${report.failure}\n`)
    return
  }
  for (const finding of report.findings) io.stdout(`${describeFinding(finding)}\n`)
  const mistakes = report.findings.filter((finding) => finding.severity === 'error').length
  const warnings = report.findings.length - mistakes
  const counts = report.valid
    ? [`valid: ${count(report.brokers, 'broker')}`, count(report.pipelines, 'pipeline')]
    : [count(mistakes, 'mistake')]
  if (warnings > 0) counts.push(count(warnings, 'warning'))
  io.stdout(`${report.file}: ${counts.join(', ')}\n`)
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`
}

import { isUtf8 } from 'node:buffer'
import { closeSync, openSync, readSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { loadSettings } from '../config/load.ts'
import { EdgebootError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { messageTopicFault } from '../core/mqtt-topic.ts'
import { explainPipeline } from '../host/explain-pipeline.ts'
import type { ExplainQuestion, PipelineExplanation } from '../host/explanation.ts'
import { defaultConfigFile, type CommandIo } from './command-io.ts'
import { explanationText } from './explanation-text.ts'
import { parseCount } from './run.ts'
import { addInstanceOptions, findInstance, type InstanceFlags } from './running-instance.ts'

const help = `
Follows a message through every pipeline, step by step, and names the step that stops it: the topic
filter, the payload, the attribute of the device with what is there and what is wanted, when. Nothing
is published, and no model runs.

A running instance is asked over its HTTP API and adds where the last messages of the topic ended and
what was dropped, by reason. Where none answers, the configuration alone is asked.

MESSAGE is JSON; - reads it from standard input. With a topic alone, the topic filters are explained
and where its last messages ended. With a message alone, each pipeline is asked with a topic that its
filter matches.

Examples:
  edgeboot explain --topic plant/pump-1/telemetry
  edgeboot explain --topic plant/pump-1/telemetry '{"deviceInfo":{"deviceName":"pump-1"}}'
  edgeboot explain --file message.json                 a message without its topic
  mosquitto_sub -t 'plant/#' -C 1 | edgeboot explain - the next message of the plant
  edgeboot explain --offline -c new.yaml --file message.json
  edgeboot explain --url http://gateway-7:5888 --token-file token --topic plant/pump-1/telemetry

Exit status: 0 when it was explained, whatever came of it; 2 usage, 3 invalid configuration, 4 no
instance answers.`

interface ExplainFlags extends InstanceFlags {
  readonly topic?: string
  readonly file?: string
  readonly retain?: boolean
  readonly last?: number
  readonly offline?: boolean
  readonly online?: boolean
  readonly json?: boolean
}

/** What was asked, and by whom it was answered. */
interface Answer {
  /** Address of an instance, or path of a configuration. */
  readonly from: string
  readonly pipelines: readonly PipelineExplanation[]
}

/** Adds `edgeboot explain`. */
export function addExplainCommand(program: Command, io: CommandIo): void {
  const command = program
    .command('explain')
    .summary('say what becomes of a message, and why a result does not come')
    .description('Says what becomes of a message or a topic in each pipeline, and why.')
    .argument('[message]', 'the message, as JSON; - for standard input')
    .option('-t, --topic <topic>', 'the topic that it comes on')
    .option('-f, --file <file>', 'read the message from a file')
    .option('--retain', 'as a message that the broker had kept')
    .option('--last <count>', 'list as many of the last endings (of 1,000)', parseCount)
    .option('--offline', 'ask the configuration alone')
    .option('--online', 'ask a running instance, or fail')
    .option('--json', 'print one JSON document instead of lines')
    .addHelpText('after', help)
  addInstanceOptions(command).action(async (message: string | undefined, flags: ExplainFlags) => {
    const question = await readQuestion(message, flags, io)
    const answer =
      flags.offline === true ? offline(question, flags, io) : await ask(question, flags, io)
    if (flags.json === true) {
      io.stdout(`${JSON.stringify(answer, undefined, 2)}\n`)
      return
    }
    const options = {
      now: Date.now(),
      columns: io.terminal?.columns ?? Infinity,
      colours: io.terminal !== undefined && !io.env['NO_COLOR'],
      listsLast: flags.last !== undefined,
    }
    io.stdout(`${explanationText(answer, options)}\n`)
  })
}

async function readQuestion(
  message: string | undefined,
  flags: ExplainFlags,
  io: CommandIo,
): Promise<ExplainQuestion> {
  const { topic, file, last } = flags
  if (flags.offline === true && (flags.online === true || flags.url !== undefined)) {
    throw usage('--offline asks no instance', 'Leave out --offline, or --online and --url.')
  }
  if (message !== undefined && file !== undefined) {
    throw usage('a message is given twice', 'Give it as the argument or with --file.')
  }
  if (topic === undefined && message === undefined && file === undefined) {
    throw usage('there is neither a topic nor a message', 'Give --topic TOPIC, a message, or both.')
  }
  const fault = topic === undefined ? undefined : messageTopicFault(topic)
  if (fault !== undefined) {
    throw usage(
      `the topic ${fault}`,
      'Give the topic of a message, such as plant/pump-1/telemetry.',
    )
  }
  const payload = await readPayload(message, file, io)
  return {
    ...(topic === undefined ? {} : { topic }),
    ...(payload === undefined ? {} : { payload }),
    retain: flags.retain === true,
    ...(last === undefined ? {} : { last: Math.min(last, 1000) }),
  }
}

/** One byte more than a payload may have is enough to see that it is too large. */
const payloadBytesMax = limits.payloadBytesMax + 1

async function readPayload(
  message: string | undefined,
  file: string | undefined,
  io: CommandIo,
): Promise<Uint8Array | undefined> {
  if (message === '-') return trimmed((await io.stdin?.(payloadBytesMax)) ?? new Uint8Array())
  if (message !== undefined) return Buffer.from(message)
  return file === undefined ? undefined : trimmed(readStart(resolve(io.cwd, file)))
}

/** The line end that tools put behind what they print is not part of the message. */
function trimmed(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === 0x0a ? bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1) : bytes
}

function readStart(file: string): Uint8Array {
  try {
    const descriptor = openSync(file, 'r')
    try {
      const buffer = Buffer.alloc(payloadBytesMax)
      let length = 0
      for (let read = -1; read !== 0 && length < buffer.length; length += read) {
        read = readSync(descriptor, buffer, length, buffer.length - length, null)
      }
      return buffer.subarray(0, length)
    } finally {
      closeSync(descriptor)
    }
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
    throw usage(`${file} cannot be read: ${why}`, 'Name a file that this user may read.')
  }
}

async function ask(question: ExplainQuestion, flags: ExplainFlags, io: CommandIo): Promise<Answer> {
  try {
    return await online(question, flags, io)
  } catch (thrown) {
    const isAway = thrown instanceof EdgebootError && thrown.code === 'CLI_INSTANCE_UNREACHABLE'
    if (!isAway || flags.online === true || flags.url !== undefined) throw thrown
    const answer = offlineUnlessMissing(question, flags, io)
    if (answer === undefined) throw thrown
    io.stderr(`${thrown.message}; this is what ${answer.from} says, without counts\n`)
    return answer
  }
}

async function online(
  question: ExplainQuestion,
  flags: ExplainFlags,
  io: CommandIo,
): Promise<Answer> {
  const instance = findInstance(flags, io)
  const { payload, ...rest } = question
  const answer = await instance.post('/api/v1/explain', { ...rest, ...payloadFields(payload) })
  if (!isAnswer(answer)) {
    throw new EdgebootError(
      'CLI_INSTANCE_REFUSED',
      `edgeboot at ${instance.address} answered what this version does not understand`,
      { fix: 'Use the edgeboot of the same version, or --offline with its configuration.' },
    )
  }
  return { from: instance.address, pipelines: answer.pipelines }
}

function payloadFields(payload: Uint8Array | undefined): Readonly<Record<string, string>> {
  if (payload === undefined) return {}
  const bytes = Buffer.from(payload)
  if (isUtf8(bytes)) return { payload: bytes.toString('utf8') }
  return { payloadBase64: bytes.toString('base64') }
}

function offline(question: ExplainQuestion, flags: ExplainFlags, io: CommandIo): Answer {
  const file = flags.config ?? defaultConfigFile
  const { settings } = loadSettings(file, { env: io.env, cwd: io.cwd })
  const pipelines = settings.pipelines.map((pipeline) => explainPipeline(pipeline, question))
  return { from: file, pipelines }
}

/** Nobody named a configuration, and there is none: then it is the instance that was meant. */
function offlineUnlessMissing(
  question: ExplainQuestion,
  flags: ExplainFlags,
  io: CommandIo,
): Answer | undefined {
  try {
    return offline(question, flags, io)
  } catch (thrown) {
    const isMissing = thrown instanceof EdgebootError && thrown.code === 'CONFIG_NOT_FOUND'
    if (flags.config === undefined && isMissing) return undefined
    throw thrown
  }
}

function isAnswer(value: unknown): value is { readonly pipelines: readonly PipelineExplanation[] } {
  const { pipelines } = (value ?? {}) as { pipelines?: unknown }
  return Array.isArray(pipelines) && pipelines.every(isExplanation)
}

function isExplanation(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { rule, func, filter, verdict, steps } = value as Partial<PipelineExplanation>
  const texts: readonly unknown[] = [rule, func, filter, verdict]
  return texts.every((text) => typeof text === 'string') && Array.isArray(steps)
}

function usage(message: string, fix: string): EdgebootError {
  return new EdgebootError('CLI_USAGE', message, { fix })
}

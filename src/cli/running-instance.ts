import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Option, type Command } from 'commander'
import { loadSettings } from '../config/load.ts'
import type { WebSettings } from '../config/settings.ts'
import { EdgebootError } from '../core/errors.ts'
import { defaultConfigFile, type CommandIo } from './command-io.ts'

/** Where an instance is looked for; what {@link addInstanceOptions} reads. */
export interface InstanceFlags {
  readonly config?: string
  readonly url?: string
  readonly tokenFile?: string
}

/** An instance listens here unless its configuration says otherwise. */
const usualAddress = 'http://127.0.0.1:5888'

/** The whole of one answer, milliseconds. */
const answerMs = 5000
/** No answer of the API comes near it; what is longer is no answer of ours. */
const answerBytesMax = 16 * 1024 * 1024

/** Adds `--config`, `--url` and `--token-file` to a command that talks to a running instance. */
export function addInstanceOptions(command: Command): Command {
  return command
    .option(
      '-c, --config <file>',
      `the configuration that it runs, for its address and token (default: ${defaultConfigFile})`,
    )
    .addOption(
      new Option(
        '--url <url>',
        `where the instance listens, such as ${usualAddress}, instead of what the configuration says`,
      ),
    )
    .option(
      '--token-file <file>',
      'a file with the token of the instance (or EDGEBOOT_TOKEN in the environment)',
    )
}

/**
 * Where the instance is that a command is about: at `--url`, else where the configuration lets it
 * listen, else, without a configuration at the usual place, at the usual address. A token comes
 * from `--token-file`, else from `EDGEBOOT_TOKEN`, else from that same configuration: never is the
 * token of a file sent to an address that is not in it. Connects to nothing.
 *
 * @throws EdgebootError `CLI_USAGE` for a url or a token file that is none, `CONFIG_NOT_FOUND` and
 * `CONFIG_INVALID`, and `CLI_INSTANCE_UNREACHABLE` when the configuration gives no address.
 */
export function findInstance(flags: InstanceFlags, io: CommandIo): RunningInstance {
  const given = tokenGiven(flags, io)
  if (flags.url !== undefined) return new RunningInstance(checkUrl(flags.url), given)
  const file = flags.config ?? defaultConfigFile
  if (flags.config === undefined && !existsSync(resolve(io.cwd, file))) {
    return new RunningInstance(new URL(usualAddress), given)
  }
  const { web } = loadSettings(file, { env: io.env, cwd: io.cwd }).settings
  return new RunningInstance(
    addressOf(web, file),
    given ?? checkToken(web.token, `web.token of ${file}`),
  )
}

interface Question {
  readonly method: 'GET' | 'POST'
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The HTTP API of a running instance, asked for JSON. Holds no connection between questions. */
export class RunningInstance {
  readonly #base: URL
  readonly #token: string | undefined

  /** @param base - Without credentials in it. */
  constructor(base: URL, token: string | undefined) {
    this.#base = base
    this.#token = token
  }

  /** Such as `http://127.0.0.1:5888`. */
  get address(): string {
    return this.#base.href.replace(/\/$/, '')
  }

  /**
   * @param path - Such as `/api/v1/pipelines`, with its query.
   * @throws EdgebootError `CLI_INSTANCE_UNREACHABLE` when no edgeboot answers there within five
   * seconds, `CLI_INSTANCE_REFUSED` when it answers with an error.
   */
  async get(path: string): Promise<unknown> {
    return this.#ask(path, { method: 'GET' })
  }

  /** The same, with `body` sent as JSON. */
  async post(path: string, body: unknown): Promise<unknown> {
    return this.#ask(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    })
  }

  async #ask(path: string, request: Question): Promise<unknown> {
    const authorization =
      this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
    let response: Response
    let text: string
    try {
      response = await fetch(`${this.address}${path}`, {
        ...request,
        headers: { accept: 'application/json', ...request.headers, ...authorization },
        // Who is redirected would show the token to somebody else.
        redirect: 'manual',
        signal: AbortSignal.timeout(answerMs),
      })
      text = await readText(response)
    } catch (thrown) {
      const cause = rootOf(thrown)
      throw this.#unreachable(whyUnreachable(cause), cause)
    }
    const value = parseJson(text)
    if (value === undefined) throw this.#unreachable('what answers there is not edgeboot')
    if (response.ok) return value
    throw this.#refused(response.status, value)
  }

  #unreachable(why: string, cause?: unknown): EdgebootError {
    const message = `no edgeboot answers at ${this.address}: ${why}`
    return new EdgebootError('CLI_INSTANCE_UNREACHABLE', message, { cause })
  }

  #refused(status: number, value: unknown): EdgebootError {
    const error = isRecord(value) && isRecord(value['error']) ? value['error'] : undefined
    if (error === undefined) return this.#unreachable('what answers there is not edgeboot')
    if (status === 401) {
      const sent = this.#token === undefined ? 'asks for a token' : 'does not take this token'
      return new EdgebootError('CLI_INSTANCE_REFUSED', `edgeboot at ${this.address} ${sent}`, {
        details: { status },
        fix: 'Give its web.token with --token-file FILE or as EDGEBOOT_TOKEN in the environment.',
      })
    }
    const [code, text] = [error['code'], error['message']].map((part) => printable(part))
    const message = `edgeboot at ${this.address} answered ${status} ${code}: ${text}`
    return new EdgebootError('CLI_INSTANCE_REFUSED', message, { details: { status, code } })
  }
}

function tokenGiven(flags: InstanceFlags, io: CommandIo): string | undefined {
  if (flags.tokenFile === undefined) {
    const token = io.env['EDGEBOOT_TOKEN'] || undefined
    return checkToken(token, 'EDGEBOOT_TOKEN')
  }
  const file = resolve(io.cwd, flags.tokenFile)
  try {
    return checkToken(readFileSync(file, 'utf8').trim(), `the token file ${file}`)
  } catch (cause) {
    if (cause instanceof EdgebootError) throw cause
    const why = codeOf(cause) ?? 'unknown error'
    throw usage(
      `the token file ${file} cannot be read: ${why}`,
      'Name one that this user may read.',
    )
  }
}

/** Before HTTP refuses it in words that repeat it. */
function checkToken<T extends string | undefined>(token: T, where: string): T {
  if (token === undefined || /^[!-~]+$/.test(token)) return token
  throw usage(
    `${where} holds no token that HTTP could carry`,
    'It is visible ASCII without blanks.',
  )
}

function checkUrl(text: string): URL {
  const url = URL.parse(text)
  const example = `Give an address such as ${usualAddress}.`
  if (url === null || !/^https?:$/.test(url.protocol)) {
    // Whatever it is may hold a password: only what the example looks like is repeated.
    throw usage('--url is no http or https address', example)
  }
  if (url.username !== '' || url.password !== '') {
    throw usage('--url has a name or a password in it', 'Give the token with --token-file FILE.')
  }
  return new URL(url.pathname, url)
}

/** Where to reach a server that listens as configured. */
function addressOf({ enabled, host, port }: WebSettings, file: string): URL {
  if (!enabled || port === 0) {
    const why = enabled ? 'has web.port 0, any free one' : 'turns the web server off'
    throw new EdgebootError(
      'CLI_INSTANCE_UNREACHABLE',
      `${file} ${why}: where its instance listens is not known from it`,
      { fix: 'Give the address that its log names at web.listening with --url.' },
    )
  }
  const bare = host.replace(/^\[|\]$/g, '')
  const reachable = bare === '0.0.0.0' ? '127.0.0.1' : bare === '::' ? '::1' : bare
  return new URL(`http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`)
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > answerBytesMax) throw new Error('its answer does not end')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const failures: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'the name is not known',
  EAI_AGAIN: 'the name cannot be looked up',
  EHOSTUNREACH: 'the machine cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ECONNRESET: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
}

/** `fetch` says no more than "fetch failed"; its cause knows. */
function rootOf(thrown: unknown): unknown {
  return thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown
}

function whyUnreachable(cause: unknown): string {
  if (cause instanceof Error && cause.name === 'TimeoutError') {
    return `no whole answer within ${answerMs / 1000} s`
  }
  const code = codeOf(cause)
  if (cause instanceof Error && cause.name === 'HTTPParserError') {
    return 'what answers there does not speak HTTP'
  }
  if (code !== undefined && code in failures) return failures[code] as string
  return cause instanceof Error ? cause.message : String(cause)
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : undefined
}

/** What an answer says is shown on a terminal: without what would steer it, and not for ever. */
function printable(part: unknown): string {
  const text = typeof part === 'string' ? part : 'unknown'
  return text.replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ').slice(0, 500)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function usage(message: string, fix: string): EdgebootError {
  return new EdgebootError('CLI_USAGE', message, { fix })
}

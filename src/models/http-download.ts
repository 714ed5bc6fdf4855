import type { ModelsSettings } from '../config/settings.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { EdgebootError } from '../core/errors.ts'
import { announcedFile, rangeHeaders, type AnnouncedFile, type PartialFile } from './byte-range.ts'
import type { FileDigests } from './digest.ts'
import { displayAddress, isRemoteAddress } from './package-address.ts'
import { saveStream, tooLarge, type StreamBounds } from './save-stream.ts'
import { isSystemError } from './store-error.ts'

/** Redirects followed before an address is refused. */
export const redirectsMax = 5

/** What a download needs besides its address. */
export interface DownloadOptions {
  readonly fetch: typeof globalThis.fetch
  readonly clock: Clock
  readonly limits: ModelsSettings['limits']
  readonly signal?: AbortSignal
  /** Bytes so far, and of how many when the server says. */
  readonly onProgress?: (bytes: number, total: number | undefined) => void
  /** What the file holds already: the rest is asked for, and all of it if the server has another. */
  readonly partial?: PartialFile
  /** Called before the body is written. What it throws ends the download. */
  readonly onAnnounced?: (file: AnnouncedFile) => Promise<void>
  /** What is left of `limits.totalMs`, where the time is shared by several downloads. */
  readonly remainingMs?: number
}

/** What was downloaded. */
export interface DownloadedFile extends FileDigests {
  /** Bytes that were there from an earlier download; 0 when there was none or it was of no use. */
  readonly resumedAt: number
}

/**
 * Fetches a file over HTTP, hashing it on the way; never more than a chunk of it is in memory. User and password of the address go into a header for that origin alone, and
 * appear, like its query, in no error.
 *
 * @throws `MODEL_DOWNLOAD_REFUSED` for an answer that will not get better by itself (404, too
 * many redirects), `MODEL_DOWNLOAD_FAILED` for one that may (5xx, network, timeouts, a body that
 * ends early), `MODEL_PACKAGE_TOO_LARGE`, the reason of `signal`, and errors of the file system
 * as they are.
 */
export async function downloadFile(
  address: string,
  file: string,
  options: DownloadOptions,
): Promise<DownloadedFile> {
  const where = displayAddress(address)
  const patience = new Patience(options, where)
  try {
    let { partial } = options
    let response = await request(address, where, { ...options, signal: patience.signal }, partial)
    if (response.status === 416 && partial !== undefined) {
      await discard(response)
      partial = undefined
      response = await request(address, where, { ...options, signal: patience.signal }, partial)
    }
    if (response.status !== 200 && response.status !== 206) await rejectStatus(response, where)
    try {
      return await saveBody(response, file, where, { ...options, partial }, patience)
    } catch (thrown) {
      await discard(response)
      throw thrown
    }
  } catch (thrown) {
    options.signal?.throwIfAborted()
    if (patience.expired !== undefined) throw patience.expired
    if (thrown instanceof EdgebootError || isFileError(thrown)) throw thrown
    throw failed(`cannot fetch ${where}: ${reasonOf(thrown)}`, where, thrown)
  } finally {
    patience.end()
  }
}

/** Follows redirects by hand, to count them and to keep credentials at home. */
async function request(
  address: string,
  where: string,
  { fetch, signal }: { fetch: typeof globalThis.fetch; signal: AbortSignal },
  partial: PartialFile | undefined,
): Promise<Response> {
  let url = parse(address, where)
  const home = url.origin
  const authorization = takeCredentials(url)
  for (let redirects = 0; redirects <= redirectsMax; redirects++) {
    const headers: Record<string, string> = {
      accept: '*/*',
      'accept-encoding': 'identity',
      ...(partial === undefined ? {} : rangeHeaders(partial)),
    }
    if (authorization !== undefined && url.origin === home) headers['authorization'] = authorization
    const response = await fetch(url, { headers, signal, redirect: 'manual' })
    const location = response.headers.get('location')
    if (response.status < 300 || response.status > 399 || location === null) return response
    await discard(response)
    url = nextUrl(url, location, where)
  }
  throw refused(`${where} redirects more than ${redirectsMax} times`, where)
}

function parse(address: string, where: string): URL {
  const url = isRemoteAddress(address) ? URL.parse(address) : null
  if (url === null) throw refused(`${where} is not a valid http(s) address`, where)
  return url
}

function nextUrl(from: URL, location: string, where: string): URL {
  const url = URL.parse(location, from.href)
  if (url === null || !isRemoteAddress(url.href)) {
    throw refused(`${where} redirects to something that is not http(s)`, where)
  }
  if (from.protocol === 'https:' && url.protocol === 'http:') {
    throw refused(`${where} redirects from https to plain http`, where)
  }
  // Credentials in a redirect are nobody's wish, and fetch refuses them.
  takeCredentials(url)
  return url
}

/** Takes user and password out of the address, which fetch would refuse to send. */
function takeCredentials(url: URL): string | undefined {
  const { username, password } = url
  url.username = ''
  url.password = ''
  if (username === '' && password === '') return undefined
  const plain = `${decoded(username)}:${decoded(password)}`
  return `Basic ${Buffer.from(plain, 'utf8').toString('base64')}`
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

async function rejectStatus(response: Response, where: string): Promise<never> {
  await discard(response)
  const { status } = response
  const text = response.statusText === '' ? '' : ` ${response.statusText}`
  const message = `${where} answered ${status}${text}`
  const details = { where, status }
  const mayPass = status >= 500 || status === 408 || status === 425 || status === 429
  throw new EdgebootError(mayPass ? 'MODEL_DOWNLOAD_FAILED' : 'MODEL_DOWNLOAD_REFUSED', message, {
    details,
  })
}

/** Frees the connection; what it says does not matter any more. */
async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {})
}

async function saveBody(
  response: Response,
  file: string,
  where: string,
  options: Omit<DownloadOptions, 'partial'> & { readonly partial: PartialFile | undefined },
  patience: Patience,
): Promise<DownloadedFile> {
  const announced = announcedFile(response, options.partial, where)
  const { total, startAt } = announced
  const bounds: StreamBounds = {
    bytesMax: options.limits.packageBytesMax,
    where,
    signal: patience.signal,
    onBytes: (bytes) => {
      patience.renew()
      options.onProgress?.(bytes, total)
    },
  }
  if (total !== undefined && total > bounds.bytesMax) throw tooLarge(bounds, total)
  if (response.body === null) throw failed(`${where} answered without a body`, where)
  await options.onAnnounced?.(announced)
  const digests = await saveStream(response.body, file, bounds, startAt)
  if (total !== undefined && digests.bytes !== total) {
    throw failed(`the body of ${where} ended after ${digests.bytes} of ${total} bytes`, where)
  }
  return { ...digests, resumedAt: startAt }
}

/** The two time limits of a download: the next byte, and the whole. */
class Patience {
  readonly signal: AbortSignal
  /** Set when one of the limits ended the download. */
  expired: EdgebootError | undefined
  readonly #controller = new AbortController()
  readonly #options: DownloadOptions
  readonly #where: string
  readonly #total: Timer
  #idle: Timer

  constructor(options: DownloadOptions, where: string) {
    this.#options = options
    this.#where = where
    this.signal =
      options.signal === undefined
        ? this.#controller.signal
        : AbortSignal.any([options.signal, this.#controller.signal])
    const { totalMs } = options.limits
    this.#total = options.clock.after(options.remainingMs ?? totalMs, () => {
      this.#expire(`fetching ${where} took longer than models.limits.totalTimeout, ${totalMs} ms`)
    })
    this.#idle = this.#waitForByte()
  }

  /** A byte has come. */
  renew(): void {
    this.#idle.cancel()
    this.#idle = this.#waitForByte()
  }

  end(): void {
    this.#idle.cancel()
    this.#total.cancel()
  }

  #waitForByte(): Timer {
    const { idleMs } = this.#options.limits
    return this.#options.clock.after(idleMs, () => {
      this.#expire(`${this.#where} sent nothing for models.limits.idleTimeout, ${idleMs} ms`)
    })
  }

  #expire(message: string): void {
    this.expired ??= failed(message, this.#where)
    this.#controller.abort(this.expired)
  }
}

/** An error of the disk, not of the network: those come wrapped by fetch. */
function isFileError(thrown: unknown): boolean {
  return isSystemError(thrown) && ['open', 'write', 'close', 'fsync'].includes(thrown.syscall ?? '')
}

/** Undici says `fetch failed` or `terminated` and hides the reason in the cause. */
function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const known: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'nothing listens there (ECONNREFUSED)',
    ENOTFOUND: 'the host name is not known (ENOTFOUND)',
    EAI_AGAIN: 'the name server does not answer (EAI_AGAIN)',
    UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
    UND_ERR_SOCKET: 'the server closed the connection before the end',
    ECONNRESET: 'the connection was reset (ECONNRESET)',
  }
  if (known[code] !== undefined) return known[code]
  const message = cause instanceof Error ? cause.message : String(cause)
  return [message, code === '' ? '' : `(${code})`].filter((part) => part !== '').join(' ')
}

function failed(message: string, where: string, cause?: unknown): EdgebootError {
  return new EdgebootError('MODEL_DOWNLOAD_FAILED', message, { details: { where }, cause })
}

function refused(message: string, where: string): EdgebootError {
  return new EdgebootError('MODEL_DOWNLOAD_REFUSED', message, { details: { where } })
}

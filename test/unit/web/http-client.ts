import { request, type IncomingHttpHeaders } from 'node:http'

/** What came back. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/**
 * Asks a server on 127.0.0.1. Unlike `fetch` it lets the test set any header, `Host` included.
 *
 * @param target - The path, sent as it is.
 */
export function ask(
  port: number,
  target: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = options
  return new Promise((resolve, reject) => {
    const asking = request(
      { host: '127.0.0.1', port, path: target, method, headers, agent: false, timeout: 15_000 },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('error', reject)
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString()
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
        })
      },
    )
    asking.once('timeout', () => asking.destroy(new Error(`no answer from ${target}`)))
    asking.once('error', reject)
    asking.end(body)
  })
}

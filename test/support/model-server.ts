import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { buffer } from 'node:stream/consumers'
import yazl from 'yazl'

/** Zips a folder, its files at the root of the archive; the same bytes for the same files. */
export async function zipFolder(folder: string): Promise<Buffer> {
  const zip = new yazl.ZipFile()
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    if (!entry.isFile() || entry.parentPath.includes('__pycache__')) continue
    const file = join(entry.parentPath, entry.name)
    zip.addBuffer(await readFile(file), relative(folder, file), { mtime: new Date(0) })
  }
  zip.end()
  return buffer(zip.outputStream)
}

/** MD5 in base64, as pyboot's configurations carry it. */
export function md5Of(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('base64')
}

/** An HTTP server on loopback that gives out packages and counts who asked. */
export class ModelServer {
  readonly requests: string[] = []
  readonly #server: Server
  readonly #files: Map<string, Buffer>

  private constructor(server: Server, files: Map<string, Buffer>) {
    this.#server = server
    this.#files = files
  }

  /** @param files - By path, such as `/model.zip`. */
  static async start(files: Readonly<Record<string, Buffer>>): Promise<ModelServer> {
    const byPath = new Map(Object.entries(files))
    const server = createServer((request, response) => {
      const path = request.url ?? ''
      models.requests.push(path)
      const bytes = byPath.get(path)
      if (bytes === undefined) response.writeHead(404).end('not here')
      else response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
    })
    const models = new ModelServer(server, byPath)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return models
  }

  set(path: string, bytes: Buffer): void {
    this.#files.set(path, bytes)
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening')
    return `http://127.0.0.1:${address.port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { needs } from './requirements.ts'

const run = promisify(execFile)

/** For `{ skip: needsOpenssl }`. */
export const needsOpenssl = needs('openssl', 'apt-get install openssl')

/** A certificate and its key, as paths. */
export interface CertificateFiles {
  readonly certFile: string
  readonly keyFile: string
}

/** A certificate authority of a test, in a folder of the test's own. */
export class TestAuthority {
  readonly #folder: string
  readonly #name: string

  private constructor(folder: string, name: string) {
    this.#folder = folder
    this.#name = name
  }

  static async create(folder: string, name: string): Promise<TestAuthority> {
    const authority = new TestAuthority(folder, name)
    await run('openssl', [
      'req',
      '-x509',
      ...newKey,
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      authority.#path('key'),
      '-out',
      authority.caFile,
    ])
    return authority
  }

  get caFile(): string {
    return this.#path('crt')
  }

  /**
   * @param alternative - What the certificate is for, such as `IP:127.0.0.1,DNS:localhost`.
   * @param days - Validity from now; negative for one that has expired.
   */
  async issue(commonName: string, alternative: string, days = 2): Promise<CertificateFiles> {
    const path = (ending: string): string => join(this.#folder, `${commonName}.${ending}`)
    await run('openssl', [
      'req',
      ...newKey,
      '-subj',
      `/CN=${commonName}`,
      '-keyout',
      path('key'),
      '-out',
      path('csr'),
    ])
    await writeFile(path('ext'), `subjectAltName=${alternative}\n`)
    await run('openssl', [
      'x509',
      '-req',
      '-in',
      path('csr'),
      '-CA',
      this.caFile,
      '-CAkey',
      this.#path('key'),
      '-CAcreateserial',
      '-days',
      String(days),
      '-extfile',
      path('ext'),
      '-out',
      path('crt'),
    ])
    return { certFile: path('crt'), keyFile: path('key') }
  }

  #path(ending: string): string {
    return join(this.#folder, `${this.#name}.${ending}`)
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ModelServer, rangedFile } from '../../support/model-server.ts'
import { Scratch } from '../../support/scratch.ts'
import { plainZip, pythonModel } from '../../support/zip-bytes.ts'
import { until } from '../../support/wait.ts'

const script = fileURLToPath(new URL('../../fixtures/models/resolve-one.ts', import.meta.url))

test('a process killed while it fetches leaves nothing that the next one takes for whole', async () => {
  await using scratch = await Scratch.make()
  await using server = await ModelServer.start()
  const zip = await pythonModel('1')
  server.routes.set('/thr.zip', (_request, response) => {
    response.writeHead(200, { 'content-length': zip.length })
    response.write(zip.subarray(0, 100))
  })
  const args = [script, scratch.path('models'), server.url('/thr.zip')]

  const killed = spawn(process.execPath, args, { stdio: 'ignore' })
  const gone = once(killed, 'exit')
  await until('a part of the zip to be on the disk', async () => {
    if (killed.exitCode !== null) throw new Error(`exited with ${killed.exitCode}`)
    const tree = await scratch.tree().catch(() => [])
    const file = tree.find((path) => path.endsWith('/package.zip'))
    return file !== undefined && (await stat(scratch.path(file))).size === 100
  })
  killed.kill('SIGKILL')
  await gone

  server.routes.set('/thr.zip', zip)
  const next = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [[code], output] = await Promise.all([
    once(next, 'close') as Promise<[number | null]>,
    next.stdout.setEncoding('utf8').toArray(),
  ])
  assert.equal(code, 0)
  assert.match(output.join(''), /packages\/[0-9a-f]{64}\/files/)
  const left = (await scratch.tree('models/.edgeboot/tmp')).filter((path) => path !== '')
  assert.deepEqual(left, [])
})

test('a process killed while it fetches leaves what the next one goes on with', async () => {
  await using scratch = await Scratch.make()
  await using server = await ModelServer.start()
  const zip = await plainZip({
    'index.py': '',
    'weights.bin': randomBytes(300_000).toString('hex'),
  })
  const stallAt = 100_000
  server.routes.set('/thr.zip', rangedFile(zip, { stallAt }))
  const args = [script, scratch.path('models'), server.url('/thr.zip')]
  const killed = spawn(process.execPath, args, { stdio: 'ignore' })
  const gone = once(killed, 'exit')
  await until('a part of the zip to be on the disk', async () => {
    if (killed.exitCode !== null) throw new Error(`exited with ${killed.exitCode}`)
    const tree = await scratch.tree().catch(() => [])
    const file = tree.find((path) => path.endsWith('/package.zip'))
    return file !== undefined && (await stat(scratch.path(file))).size === stallAt
  })
  killed.kill('SIGKILL')
  await gone

  const ranges: (string | undefined)[] = []
  server.routes.set(
    '/thr.zip',
    rangedFile(zip, {}, (range) => ranges.push(range)),
  )
  const next = spawn(process.execPath, args, { stdio: 'ignore' })
  const [code] = (await once(next, 'exit')) as [number | null]
  assert.equal(code, 0)
  assert.deepEqual(ranges, [`bytes=${stallAt}-`])
  const tree = await scratch.tree('models/.edgeboot')
  assert.deepEqual(
    tree.filter((path) => /^(tmp|partial)\/./.test(path)),
    [],
  )
})

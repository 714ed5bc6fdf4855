import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { TcpProxy } from '../../../src/cli/chaos/tcp-proxy.ts'
import { until } from '../../support/wait.ts'

let server: Server
let proxy: TcpProxy
const clients: Socket[] = []

/** A client of an echo behind the proxy, with what came back. */
const client = (): { socket: Socket; heard: () => string; isOver: () => boolean } => {
  const socket = connect(proxy.port, '127.0.0.1')
  let heard = ''
  socket.on('data', (chunk) => (heard += chunk.toString()))
  socket.on('error', () => {})
  clients.push(socket)
  return { socket, heard: () => heard, isOver: () => socket.destroyed }
}

beforeEach(async () => {
  server = createServer((socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy = await TcpProxy.listen((server.address() as AddressInfo).port)
})
afterEach(async () => {
  for (const each of clients.splice(0)) each.destroy()
  await proxy.close()
  server.close()
  await once(server, 'close')
})

test('passes bytes on in both directions, and the end of a connection', async () => {
  const { socket, heard, isOver } = client()
  socket.end('x'.repeat(1_000_000))
  await until('all of it', () => heard().length === 1_000_000)
  await until('the end', isOver)
})

test('cuts what is connected and turns away who comes, until it is healed', async () => {
  const before = client()
  before.socket.write('a')
  await until('a', () => before.heard() === 'a')
  proxy.cut()
  await until('the cut', before.isOver)
  const during = client()
  await until('being turned away', during.isOver)
  proxy.heal()
  const after = client()
  after.socket.write('b')
  await until('b', () => after.heard() === 'b')
})

test('holds everything in silence, and gives it all, in order, when it is healed', async () => {
  const { socket, heard } = client()
  socket.write('a')
  await until('a', () => heard() === 'a')
  proxy.silence()
  for (const text of ['b', 'c', 'd']) socket.write(text)
  const other = client()
  other.socket.write('x')
  // By the time that a way around the proxy has answered, the proxy would have, too.
  const around = connect((server.address() as AddressInfo).port, '127.0.0.1')
  clients.push(around)
  around.write('y')
  await once(around, 'data')
  assert.deepEqual([heard(), other.heard()], ['a', ''])
  proxy.heal()
  await until('the rest', () => heard() === 'abcd' && other.heard() === 'x')
})

test('delays bytes without changing their order', async () => {
  const { socket, heard } = client()
  proxy.delay(50)
  const begun = performance.now()
  for (const text of ['a', 'b', 'c']) socket.write(text)
  await until('all', () => heard() === 'abc')
  assert.ok(performance.now() - begun >= 100, 'there and back')
})

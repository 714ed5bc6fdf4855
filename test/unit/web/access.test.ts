import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLoopback, refusal } from '../../../src/web/access.ts'

interface Asked {
  host?: string
  authorization?: string
  isPublic?: boolean
  method?: string
  origin?: string
  fetchSite?: string
}

function status(rules: { host: string; token?: string }, asked: Asked): number {
  const { host, authorization, isPublic = false, method = 'GET', origin, fetchSite } = asked
  const request = { host, authorization, isPublic, method, origin, fetchSite }
  return refusal(rules, request)?.status ?? 200
}

for (const host of ['127.0.0.1', '127.8.9.1', 'localhost', 'LocalHost', '::1', '[::1]']) {
  test(`takes ${host} for loopback`, () => assert.equal(isLoopback(host), true))
}

const others = ['0.0.0.0', '::', '192.168.1.1', '127.evil.com', 'localhost.evil.com', '1127.0.0.1']
for (const host of others) {
  test(`does not take ${host} for loopback`, () => assert.equal(isLoopback(host), false))
}

const local = { host: '127.0.0.1' }

for (const host of ['localhost', '127.0.0.1:5888', '[::1]:80', 'LOCALHOST:1', '[::1]']) {
  test(`a loopback server answers to ${host}`, () => assert.equal(status(local, { host }), 200))
}

const strangers = ['evil.com', 'evil.com:5888', '127.0.0.1.evil.com', 'localhost:1:2', '', '::1']
for (const host of strangers) {
  test(`a loopback server refuses "${host}", for public routes too`, () => {
    assert.equal(status(local, { host }), 403)
    assert.equal(status(local, { host, isPublic: true }), 403)
  })
}

test('a loopback server answers a client that names no host, which is no browser', () => {
  assert.equal(status(local, {}), 200)
})

test('a loopback server answers to the loopback address that it listens on', () => {
  assert.equal(status({ host: '127.0.0.2' }, { host: '127.0.0.2:5888' }), 200)
})

const open = { host: '0.0.0.0', token: 'correct horse' }

test('a server that others reach answers to any name', () => {
  assert.equal(status(open, { host: 'gateway-7.plant', isPublic: true }), 200)
})

for (const authorization of [
  undefined,
  '',
  'Bearer',
  'Bearer ',
  'Bearer wrong',
  'Bearer correct-hors',
  'Basic correct-horse',
  'correct-horse',
  'Bearer correct-horse extra',
]) {
  test(`a server that others reach refuses "${authorization}"`, () => {
    const rules = { host: '0.0.0.0', token: 'correct-horse' }
    const asked = authorization === undefined ? {} : { authorization }
    assert.equal(status(rules, asked), 401)
  })
}

test('a server that others reach takes the right token, whatever the case of "Bearer"', () => {
  const rules = { host: '0.0.0.0', token: 'correct-horse' }
  assert.equal(status(rules, { authorization: 'Bearer correct-horse' }), 200)
  assert.equal(status(rules, { authorization: 'bearer correct-horse' }), 200)
})

test('a server that others reach has public routes for those without a token', () => {
  assert.equal(status(open, { isPublic: true }), 200)
})

test('a server that others reach refuses everything that is not public when it has no token', () => {
  assert.equal(status({ host: '0.0.0.0' }, { authorization: 'Bearer undefined' }), 401)
})

test('a token holds on loopback too, where one is set', () => {
  const rules = { host: '127.0.0.1', token: 'secret' }
  assert.equal(status(rules, { host: 'localhost' }), 401)
  assert.equal(status(rules, { host: 'localhost', authorization: 'Bearer secret' }), 200)
})

const host = '127.0.0.1:5888'

test('a program, which names no origin, may change something', () => {
  assert.equal(status(local, { host, method: 'POST' }), 200)
})

test('a page of the server itself may change something', () => {
  const asked = { host, origin: 'http://127.0.0.1:5888', fetchSite: 'same-origin' }
  assert.equal(status(local, { ...asked, method: 'POST' }), 200)
})

test('a page behind a proxy that adds TLS may change something, with the token', () => {
  const asked = { host: 'gateway.plant', origin: 'https://gateway.plant', method: 'POST' }
  assert.equal(status(open, { ...asked, authorization: 'Bearer correct horse' }), 401)
  const one = { host: '0.0.0.0', token: 'one' }
  assert.equal(status(one, { ...asked, authorization: 'Bearer one' }), 200)
})

for (const elsewhere of [
  { origin: 'https://evil.com' },
  { origin: 'null' },
  { origin: '' },
  { origin: 'http://127.0.0.1:3000' },
  { origin: 'http://localhost:5888' },
  { fetchSite: 'cross-site' },
  { fetchSite: 'same-site' },
  { fetchSite: 'cross-site', origin: 'http://127.0.0.1:5888' },
]) {
  test(`a page elsewhere (${JSON.stringify(elsewhere)}) may read but change nothing`, () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      assert.equal(status(local, { host, method, ...elsewhere }), 403, method)
    }
    assert.equal(status(local, { host, ...elsewhere }), 200)
  })
}

test('a page elsewhere changes nothing where it has the token, nor on a public path', () => {
  const rules = { host: '0.0.0.0', token: 'one' }
  const asked = { host: 'gateway', origin: 'https://evil.com', method: 'POST' }
  assert.equal(status(rules, { ...asked, authorization: 'Bearer one' }), 403)
  assert.equal(status(rules, { ...asked, isPublic: true }), 403)
})

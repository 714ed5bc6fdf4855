import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createStarterContext,
  serviceKey,
  Services,
  type StarterContext,
} from '../../../src/boot/starter-context.ts'
import { silentLogger, type Logger } from '../../../src/core/log.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { RecordedLog } from '../../support/recorded-log.ts'

const ledgerKey = serviceKey<{ rows: number }>('ledger', 'books')

function context(starter: string, services: Services, log: Logger = silentLogger): StarterContext {
  return createStarterContext({
    starter,
    log,
    clock: new FakeClock(),
    signal: new AbortController().signal,
    services,
    registered: new Set(['books', 'web']),
    requestStop: () => {},
  })
}

test('hands a service from one starter to another', () => {
  const services = new Services()
  context('books', services).provide(ledgerKey, { rows: 3 })
  assert.equal(context('web', services).get(ledgerKey).rows, 3)
  assert.equal(context('web', services).find(ledgerKey)?.rows, 3)
})

test('keys of one name are one key, wherever they were made', () => {
  const services = new Services()
  context('books', services).provide(ledgerKey, { rows: 3 })
  const same = serviceKey<{ rows: number }>('ledger')
  assert.equal(context('web', services).get(same).rows, 3)
})

test('a service that is undefined is there all the same', () => {
  const services = new Services()
  const key = serviceKey<undefined>('nothing', 'books')
  context('books', services).provide(key, undefined)
  assert.equal(context('web', services).get(key), undefined)
})

test('a missing service names who asked, what for, and who should have provided it', () => {
  assert.throws(() => context('web', new Services()).get(ledgerKey), {
    code: 'BOOT_SERVICE_MISSING',
    message:
      'Starter "web" asked for the service "ledger", but starter "books" has not provided it yet.',
  })
})

test('a missing service says when its provider is not registered at all', () => {
  const key = serviceKey<number>('tariff', 'pricing')
  assert.throws(() => context('web', new Services()).get(key), {
    code: 'BOOT_SERVICE_MISSING',
    message: /its provider, "pricing", is not among the registered starters/,
  })
})

test('find answers undefined for what nobody provides', () => {
  assert.equal(context('web', new Services()).find(ledgerKey), undefined)
})

test('refuses to provide a service twice, naming both', () => {
  const services = new Services()
  context('books', services).provide(ledgerKey, { rows: 1 })
  assert.throws(() => context('web', services).provide(ledgerKey, { rows: 2 }), {
    code: 'BOOT_SERVICE_DUPLICATE',
    message: /"web" provides the service "ledger", which starter "books" has provided already/,
  })
})

test("adds the starter's name to its log lines", () => {
  const { logger: log, lines } = new RecordedLog()
  context('web', new Services(), log).log.info('up', { port: 1 })
  assert.deepEqual(lines[0]?.fields, { starter: 'web', port: 1 })
})

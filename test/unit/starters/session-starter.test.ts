import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Boot } from '../../../src/boot/boot.ts'
import type { Settings } from '../../../src/config/settings.ts'
import type { StateLock } from '../../../src/config/state-lock.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { silentLogger } from '../../../src/core/log.ts'
import { settingsKey, stateLockKey } from '../../../src/starters/services.ts'
import { SessionStarter } from '../../../src/starters/session-starter.ts'
import { SessionRecords } from '../../../src/transport/mqtt/session-records.ts'
import { SqliteSpool } from '../../../src/transport/spool/sqlite-spool.ts'
import { brokerSettings } from '../../support/broker-settings.ts'
import { pipelineSettings } from '../../support/pipeline-settings.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { Scratch } from '../../support/scratch.ts'
import { reply, ScriptedBroker } from '../../support/scripted-broker.ts'
import { until } from '../../support/wait.ts'
import { recording } from '../boot/recording-starters.ts'

interface Site {
  readonly broker: ScriptedBroker
  readonly records: SessionRecords
  readonly boot: Boot
  readonly log: RecordedLog
  readonly spoolFile: (name: string) => string
}

/** A broker that knows every session, and a configuration with one pipeline, whose client id is `in`. */
async function site(
  t: TestContext,
  { isMute = false, isHeld = true, hasRules = true } = {},
): Promise<Site> {
  const scratch = await Scratch.make()
  const broker = await ScriptedBroker.start((packet, socket) => {
    if (isMute) return
    if (packet.name === 'connect') socket.write(reply.connack5(0, [], true))
    if (packet.name === 'unsubscribe') socket.write(reply.unsuback(packet, 5))
  })
  const recordsFolder = join(scratch.folder, 'sessions')
  const settings = brokerSettings(broker.url, { name: 'plant', protocol: '5' })
  const pipeline = pipelineSettings()
  const source = { ...pipeline.source, broker: settings, recordsFolder }
  const spoolFile = (name: string): string => join(scratch.folder, 'spool', `${name}.sqlite`)
  const spool = { file: spoolFile('used'), bytesMax: 1000, whenFull: 'block' } as const
  const conf = recording([], {
    name: 'conf',
    init: (context) => {
      context.provide(settingsKey, {
        stateFolder: scratch.folder,
        brokers: [settings],
        pipelines: hasRules ? [{ ...pipeline, source, sink: { ...pipeline.sink, spool } }] : [],
      } as unknown as Settings)
      if (isHeld) context.provide(stateLockKey, {} as StateLock)
    },
  })
  const log = new RecordedLog()
  const boot = new Boot({ starters: [conf, new SessionStarter()], log: log.logger })
  t.after(async () => {
    await boot.stop()
    await broker.stop()
    await scratch[Symbol.asyncDispose]()
  })
  return { broker, records: new SessionRecords(recordsFolder), boot, log, spoolFile }
}

async function write({ broker, records }: Site, clientId: string): Promise<void> {
  const url = broker.url
  await records.write({ broker: 'plant', url, clientId, filters: ['old/#'], keptForSeconds: 60 })
}

test('ends the subscriptions of a client id that left the configuration, and of no other', async (t) => {
  const made = await site(t)
  await write(made, 'gone')
  await write(made, 'in')
  await made.boot.start()
  const left = await until('the end of the abandoned record', async () => {
    const all = await made.records.all()
    return all.length === 1 ? all : undefined
  })
  assert.ok(left[0]?.read.kind === 'record' && left[0].read.record.clientId === 'in')
  const ids = made.broker.packets.map(
    ({ decoded }) => decoded.cmd === 'connect' && decoded.clientId,
  )
  assert.deepEqual(
    ids.filter((id) => id !== false),
    ['gone'],
  )
})

test('ends them too when no rule is left', async (t) => {
  const made = await site(t, { hasRules: false })
  await write(made, 'gone')
  await made.boot.start()
  await until('the end of the record', async () => (await made.records.all()).length === 0)
})

test('leaves what is in the state folder alone while another edgeboot has it', async (t) => {
  const made = await site(t, { isHeld: false })
  await write(made, 'gone')
  await made.boot.start()
  await made.boot.stop()
  assert.deepEqual(made.broker.packets, [])
  assert.equal((await made.records.all()).length, 1)
})

test('connects to nobody where no record was ever written', async (t) => {
  const { boot, broker } = await site(t)
  await boot.start()
  await boot.stop()
  assert.deepEqual(broker.packets, [])
})

test('a stop ends the waiting for a broker that says nothing', async (t) => {
  const made = await site(t, { isMute: true })
  await write(made, 'gone')
  await made.boot.start()
  await until('the attempt', () => made.broker.packets.length > 0)
  await made.boot.stop()
  assert.equal((await made.records.all()).length, 1)
})

test('tells of results on the disk that no pipeline sends', async (t) => {
  const { boot, log, spoolFile } = await site(t)
  for (const name of ['used', 'gone']) {
    const parts = { file: spoolFile(name), clock: systemClock, log: silentLogger }
    const spool = new SqliteSpool(parts)
    spool.append([{ message: { topic: 'out', payload: Buffer.from('1') }, created: Date.now() }])
    spool.close()
  }
  await boot.start()
  await until('a line', () => log.of('spool.abandoned').length > 0)
  assert.deepEqual(
    log.of('spool.abandoned').map(({ file, results }) => [file, results]),
    [[spoolFile('gone'), 1]],
  )
})

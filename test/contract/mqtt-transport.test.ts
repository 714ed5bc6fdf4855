/** What MQTT adds to the contract: brokers that are absent, refuse, die, or prefer someone else. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, it } from 'node:test'
import type { BrokerSettings, TlsSettings } from '../../src/config/settings.ts'
import type { ConnectionState } from '../../src/transport/transport.ts'
import { brokerSettings } from '../support/broker-settings.ts'
import { needsOpenssl, TestAuthority } from '../support/certificates.ts'
import { freePort } from '../../src/cli/chaos/local-broker.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { needs } from '../support/requirements.ts'
import {
  openSink as openMqttSink,
  openSource as openMqttSource,
  uniqueId,
} from '../support/transport-fixture.ts'
import { until } from '../support/wait.ts'

const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const each of undo.splice(0).toReversed()) await each()
})

const openSource = async (
  ...input: Parameters<typeof openMqttSource>
): ReturnType<typeof openMqttSource> => {
  const made = await openMqttSource(...input)
  undo.push(() => made.source.close())
  return made
}

const openSink = async (
  ...input: Parameters<typeof openMqttSink>
): ReturnType<typeof openMqttSink> => {
  const made = await openMqttSink(...input)
  undo.push(() => made.sink.close(0))
  return made
}

async function startMosquitto(extra?: readonly string[]): Promise<Mosquitto> {
  const mosquitto = await Mosquitto.start(extra)
  undo.push(() => mosquitto.stop())
  return mosquitto
}

async function connectPeer(...input: Parameters<typeof MqttPeer.connect>): Promise<MqttPeer> {
  const peer = await MqttPeer.connect(...input)
  undo.push(() => peer.end())
  return peer
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'edgeboot-mqtt-'))
  undo.push(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const urlOf = (mosquitto: Mosquitto): string => `mqtt://127.0.0.1:${mosquitto.port}`

/** Asserts a state that says what is wrong, with which broker, and when the next attempt comes. */
function assertWaiting(state: ConnectionState, code: string, words: RegExp): void {
  assert.equal(state.status, 'waiting')
  if (state.status !== 'waiting') return
  assert.equal(state.error?.code, code)
  assert.match(state.reason, /broker plant \((mqtts?|wss?):\/\/[^)]+\)/)
  assert.match(state.reason, words)
  assert.match(state.reason, /; next attempt in \d+\.\d s$/)
}

for (const protocol of ['5', '3.1.1'] as const) {
  describe(`a broker over MQTT ${protocol}`, { skip: needsMosquitto }, () => {
    const settings = (url: string, overrides: Partial<BrokerSettings> = {}): BrokerSettings =>
      brokerSettings(url, { protocol, ...overrides })

    it('may be absent at the start and appear later', async () => {
      const mosquitto = await startMosquitto()
      await mosquitto.halt()
      const broker = settings(urlOf(mosquitto))
      const { record } = await openSource(broker, { topic: 'in/#', unconnected: true })
      const { sink, record: sinkRecord } = await openSink(broker, { unconnected: true })
      assertWaiting(await record.reached('waiting'), 'BROKER_UNREACHABLE', /nothing listens there/)
      sink.publish({ topic: 'in/early', payload: Buffer.from('kept') }, sinkRecord.settled)
      await sinkRecord.reached('waiting')
      assert.deepEqual(sinkRecord.outcomes, [])
      await mosquitto.resume()
      await record.reached('connected')
      await until('the result', () => sinkRecord.outcomes.length === 1)
      assert.deepEqual(sinkRecord.outcomes, ['published'])
    })

    it('may be killed and come back: the subscription is restored', async () => {
      const mosquitto = await startMosquitto()
      const { record } = await openSource(settings(urlOf(mosquitto)), { topic: 'in/#' })
      await mosquitto.halt('SIGKILL')
      const lost = await record.reached('waiting')
      assertWaiting(lost, 'BROKER_CONNECTION_LOST', /closed the connection|broke/)
      await mosquitto.resume()
      await record.reached('connected', record.states.indexOf(lost))
      const peer = await connectPeer(urlOf(mosquitto))
      await peer.publish('in/again', 'here')
      await until('the message', () => record.texts.includes('here'))
      assert.deepEqual(record.statuses.slice(0, 4), [
        'connecting',
        'connected',
        'waiting',
        'connecting',
      ])
      assert.equal(record.statuses.at(-1), 'connected')
    })

    it('refuses a wrong password and a wrong user, and accepts the right ones', async () => {
      const folder = await temporaryFolder()
      const file = join(folder, 'passwords')
      execFileSync('mosquitto_passwd', ['-b', '-c', file, 'operator', 'geheim'])
      const mosquitto = await startMosquitto(['allow_anonymous false', `password_file ${file}`])
      const url = urlOf(mosquitto)
      const right = { username: 'operator', password: 'geheim' }
      await openSource(settings(url, right))
      const wrongs = [{ ...right, password: 'Xfalsch' }, { ...right, username: 'nobody' }, {}]
      for (const wrong of wrongs) {
        const { record } = await openSource(settings(url, wrong), { unconnected: true })
        const state = await record.reached('waiting')
        assertWaiting(state, 'BROKER_REFUSED', /not authorised|user name or password/)
        const everything = JSON.stringify([record.states, record.lines])
        assert.doesNotMatch(everything, /Xfalsch|geheim/)
      }
    })

    it('refuses a subscription: not connected, and the reason names the filter', async (context) => {
      const [plugin] = globSync('/usr/lib/*/mosquitto_dynamic_security.so')
      const skip = needs(plugin ?? 'mosquitto_dynamic_security.so', 'apt-get install mosquitto')
      if (skip !== false) return context.skip(skip)
      const folder = await temporaryFolder()
      const rules = { subscribe: false, publishClientSend: true, publishClientReceive: true }
      const file = join(folder, 'rules.json')
      await writeFile(file, JSON.stringify({ defaultACLAccess: { ...rules, unsubscribe: true } }))
      const mosquitto = await startMosquitto([
        'allow_anonymous true',
        `plugin ${plugin}`,
        `plugin_opt_config_file ${file}`,
      ])
      const broker = settings(urlOf(mosquitto))
      const { record } = await openSource(broker, { topic: 'secret/#', unconnected: true })
      const state = await record.reached('waiting')
      const why = protocol === '5' ? 'not authorised' : 'give no reason'
      assertWaiting(state, 'BROKER_SUBSCRIBE_REFUSED', new RegExp(`"secret/#": .*${why}`))
      assert.ok(!record.statuses.includes('connected'))
    })

    it('gives the session to another client: told once, and left alone', async () => {
      const mosquitto = await startMosquitto()
      const clientId = uniqueId('twice')
      const { record } = await openSource(settings(urlOf(mosquitto)), { clientId })
      let rival: MqttPeer | undefined
      // This broker closes without a reason, on MQTT 5 too: four closes in a row are needed.
      for (let connection = 0; connection < 4; connection++) {
        await until('to be connected', () => {
          const connections = record.statuses.filter((status) => status === 'connected')
          return connections.length > connection
        })
        rival = await connectPeer(urlOf(mosquitto), { clientId, protocolVersion: 5 })
      }
      const state = await record.reached('taken')
      assert.equal(state.status === 'taken' && state.error?.code, 'BROKER_SESSION_TAKEN')
      assert.match(state.status === 'taken' ? state.reason : '', new RegExp(`"${clientId}"`))
      assert.match(
        state.status === 'taken' ? state.reason : '',
        /next attempt in (2[4-9]|30)\.\d s$/,
      )
      const line = record.lines.find(({ event }) => event === 'broker.session-taken')
      assert.equal(line?.level, 'error')
      assert.equal(line?.fields['clientId'], clientId)
      assert.equal(rival?.client.connected, true)
    })

    it('tells retained messages, and leaves them out where it can', async () => {
      const mosquitto = await startMosquitto()
      const { sink, record } = await openSink(settings(urlOf(mosquitto), { retain: true }))
      sink.publish({ topic: 'kept/1', payload: Buffer.from('old') }, record.settled)
      await until('published', () => record.outcomes.length === 1)
      const { record: all } = await openSource(settings(urlOf(mosquitto)), { topic: 'kept/#' })
      const options = { topic: 'kept/#', retained: false }
      const { record: fresh } = await openSource(settings(urlOf(mosquitto)), options)
      const peer = await connectPeer(urlOf(mosquitto))
      await peer.publish('kept/2', 'new')
      const both = (): boolean => all.texts.includes('new') && fresh.texts.includes('new')
      await until('the new message', both)
      const flags = all.messages.map(({ payload, retain }) => [String(payload), retain])
      assert.deepEqual(flags, [
        ['old', true],
        ['new', false],
      ])
      // On 3.1.1 the flag is all there is.
      assert.deepEqual(fresh.texts, protocol === '5' ? ['new'] : ['old', 'new'])
    })

    it('publishes the last will of a client that vanishes, and no will by default', async () => {
      const mosquitto = await startMosquitto()
      const peer = await connectPeer(urlOf(mosquitto))
      await peer.subscribe('will/#')
      const clientId = uniqueId('mortal')
      const will = { topic: 'will/me', payload: '再见', qos: 0 as const, retain: false }
      await openSource(settings(urlOf(mosquitto), { will }), { clientId })
      const { source: polite } = await openSource(settings(urlOf(mosquitto), { will }))
      await polite.close()
      // The rival takes the session, which for the broker is a death.
      await connectPeer(urlOf(mosquitto), { clientId })
      await until('the will', () => peer.messages.length > 0)
      assert.deepEqual(
        peer.messages.map(({ text }) => text),
        ['再见'],
      )
    })

    it('carries user properties on MQTT 5 and leaves them out on 3.1.1', async () => {
      const mosquitto = await startMosquitto()
      const peer = await connectPeer(urlOf(mosquitto), { protocolVersion: 5 })
      await peer.subscribe('#')
      const { record: in5 } = await openSource(settings(urlOf(mosquitto)))
      const { sink, record } = await openSink(settings(urlOf(mosquitto)))
      const userProperties = { 'edgeboot-rule': '阈值', empty: '' }
      sink.publish({ topic: 'a', payload: Buffer.from('x'), userProperties }, record.settled)
      await until('both', () => peer.messages.length === 1 && in5.messages.length === 1)
      const expected = protocol === '5' ? userProperties : undefined
      assert.deepEqual({ ...peer.messages[0]?.userProperties }, { ...expected })
      assert.deepEqual({ ...in5.messages[0]?.userProperties }, { ...expected })
    })

    it('does not stop a close in the midst of publishing from settling everything', async () => {
      const mosquitto = await startMosquitto()
      const { sink, record } = await openSink(settings(urlOf(mosquitto)))
      const payload = Buffer.alloc(10_000)
      for (let i = 0; i < 2000; i++) sink.publish({ topic: 'out', payload }, record.settled)
      await sink.close(0)
      assert.equal(record.outcomes.length, 2000)
      assert.equal(sink.pending, 0)
    })
  })
}

describe('a sink without a broker', () => {
  const absent = async (): Promise<BrokerSettings> =>
    brokerSettings(`mqtt://127.0.0.1:${await freePort()}`)
  const payload = Buffer.from('x')

  it('gives results up after their timeout, oldest first', async () => {
    const { sink, record } = await openSink(await absent(), { timeoutMs: 50, unconnected: true })
    const order: number[] = []
    for (let i = 0; i < 3; i++) {
      sink.publish({ topic: 'out', payload }, (outcome) => {
        order.push(i)
        record.settled(outcome)
      })
    }
    await until('all settled', () => order.length === 3)
    assert.deepEqual(order, [0, 1, 2])
    assert.deepEqual(record.outcomes, ['timeout', 'timeout', 'timeout'])
    assert.equal(sink.pending, 0)
  })

  it('drops the oldest, or refuses the newest, when it is full', async () => {
    for (const [whenFull, dropped] of [
      ['drop-oldest', 0],
      ['drop-newest', 2],
      ['block', 2],
    ] as const) {
      const options = { itemsMax: 2, whenFull, unconnected: true }
      const { sink } = await openSink(await absent(), options)
      const outcomes: string[] = []
      for (let i = 0; i < 3; i++) {
        sink.publish({ topic: 'out', payload }, (outcome) => outcomes.push(`${i} ${outcome}`))
      }
      assert.deepEqual(outcomes, [`${dropped} queue-full`])
      assert.equal(sink.pending, 2)
    }
  })

  it('settles what waits as closed when it is closed', async () => {
    const { sink, record } = await openSink(await absent(), { unconnected: true })
    sink.publish({ topic: 'out', payload }, record.settled)
    await sink.close(50)
    assert.deepEqual(record.outcomes, ['closed'])
  })
})

describe('TLS towards a broker', { skip: needsMosquitto || needsOpenssl }, () => {
  /** A Mosquitto with one TLS listener. */
  async function startTls(
    alternative: string,
    options: { readonly days?: number; readonly requireCertificate?: boolean } = {},
  ): Promise<{ url: string; folder: string; authority: TestAuthority; plainPort: number }> {
    const folder = await temporaryFolder()
    const authority = await TestAuthority.create(folder, 'authority')
    const server = await authority.issue('server', alternative, options.days)
    const port = await freePort()
    const mosquitto = await startMosquitto([
      'allow_anonymous true',
      `listener ${port} 127.0.0.1`,
      `cafile ${authority.caFile}`,
      `certfile ${server.certFile}`,
      `keyfile ${server.keyFile}`,
      `require_certificate ${options.requireCertificate === true}`,
    ])
    return { url: `mqtts://127.0.0.1:${port}`, folder, authority, plainPort: mosquitto.port }
  }

  const withTls = (url: string, tls: Partial<TlsSettings>): BrokerSettings =>
    brokerSettings(url, { tls: { insecure: false, ...tls } })

  async function assertRefused(broker: BrokerSettings, words: RegExp): Promise<void> {
    const { record } = await openSource(broker, { unconnected: true })
    assertWaiting(await record.reached('waiting'), 'BROKER_TLS', words)
    assert.ok(!record.statuses.includes('connected'))
  }

  it('refuses a broker whose authority is not the configured one', async () => {
    const { url, folder, authority } = await startTls('IP:127.0.0.1')
    const other = await TestAuthority.create(folder, 'other')
    await assertRefused(withTls(url, { caFile: other.caFile }), /authority/)
    await assertRefused(withTls(url, {}), /authority/)
    await openSource(withTls(url, { caFile: authority.caFile }))
  })

  it('refuses a certificate for another host, unless serverName says which', async () => {
    const { url, authority } = await startTls('DNS:broker.plant')
    const { caFile } = authority
    await assertRefused(withTls(url, { caFile }), /another host name/)
    await openSource(withTls(url, { caFile, serverName: 'broker.plant' }))
  })

  it('refuses an expired certificate', async () => {
    const { url, authority } = await startTls('IP:127.0.0.1', { days: -1 })
    await assertRefused(withTls(url, { caFile: authority.caFile }), /expired/)
  })

  it('says so when the port does not speak TLS', async () => {
    const { authority, plainPort } = await startTls('IP:127.0.0.1')
    const { record } = await openSource(
      withTls(`mqtts://127.0.0.1:${plainPort}`, { caFile: authority.caFile }),
      { unconnected: true },
    )
    const state = await record.reached('waiting')
    assert.ok(state.status === 'waiting' && state.error !== undefined)
    assert.match(state.error.code, /BROKER_TLS|BROKER_UNREACHABLE/)
  })

  it('names the file that cannot be read, or holds no certificate', async () => {
    const { url, folder } = await startTls('IP:127.0.0.1')
    const caFile = join(folder, 'missing.crt')
    await assertRefused(withTls(url, { caFile }), /cannot read caFile .*missing\.crt \(ENOENT\)/)
    const certFile = join(folder, 'broken.crt')
    await writeFile(certFile, 'not a certificate')
    const broken = withTls(url, { certFile, keyFile: certFile })
    await assertRefused(broken, /TLS settings cannot be used/)
  })

  it('connects without verification when told to, and warns', async () => {
    const { url } = await startTls('DNS:someone.else')
    const { record } = await openSource(withTls(url, { insecure: true }))
    const warnings = record.lines.filter(({ level }) => level === 'warn')
    assert.deepEqual(
      warnings.map(({ event }) => event),
      ['broker.tls-unverified'],
    )
  })

  it('shows a client certificate to a broker that asks for one', async () => {
    const { url, authority } = await startTls('IP:127.0.0.1', { requireCertificate: true })
    const { caFile } = authority
    const client = await authority.issue('client', 'DNS:edge-1')
    await openSource(withTls(url, { caFile, ...client }))
    await assertRefused(withTls(url, { caFile }), /refused our certificate/)
  })

  it('reads the certificate files again at each connection', async () => {
    const { url, folder, authority } = await startTls('IP:127.0.0.1')
    const caFile = join(folder, 'rotated.crt')
    const { record } = await openSource(withTls(url, { caFile }), { unconnected: true })
    await record.reached('waiting')
    await writeFile(caFile, execFileSync('cat', [authority.caFile]))
    await record.reached('connected')
  })
})

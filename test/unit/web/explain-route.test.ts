import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ExplainQuestion } from '../../../src/host/system-view.ts'
import { explainRoute } from '../../../src/web/explain-route.ts'
import type { Reply } from '../../../src/web/route.ts'
import { fakeSystem } from './fake-system.ts'

async function post(
  body: Uint8Array | string,
): Promise<{ reply: Reply; asked: ExplainQuestion[] }> {
  const asked: ExplainQuestion[] = []
  const view = fakeSystem(
    [],
    {},
    {
      explain: (question) => {
        asked.push(question)
        return Promise.resolve([])
      },
    },
  )
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  const request = { params: {}, query: new URLSearchParams(), headers: {}, body: bytes }
  return { reply: await explainRoute(view).handler(request), asked }
}

const asks = async (body: unknown): Promise<ExplainQuestion | undefined> =>
  (await post(JSON.stringify(body))).asked[0]

test('hands on the topic, the message and how many endings are wanted', async () => {
  assert.deepEqual(await asks({ topic: 'a/b' }), { topic: 'a/b', retain: false })
  const whole = { topic: 'a/b', payload: '{"é":1}', retain: true, last: 3 }
  assert.deepEqual(await asks(whole), { ...whole, payload: Buffer.from('{"é":1}') })
  assert.deepEqual((await asks({ event: { a: [1] } }))?.payload, Buffer.from('{"a":[1]}'))
  assert.deepEqual((await asks({ event: null }))?.payload, Buffer.from('null'))
  assert.deepEqual((await asks({ payloadBase64: '/wA=' }))?.payload, Buffer.from([0xff, 0]))
})

test('says what is wrong with a question, and asks nobody', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /not JSON \(an empty payload\)/],
    ['{"topic":', /not JSON/],
    ['[]', /has to be a map/],
    ['{}', /Give a topic, or a message/],
    ['{"topik":"a"}', /\\"topik\\" is not known here\. Did you mean topic\?/],
    ['{"x":1}', /It takes topic, payload/],
    ['{"topic":1}', /topic has to be text/],
    ['{"topic":""}', /The topic is empty/],
    ['{"topic":"a/#"}', /wildcard #: it is a filter/],
    ['{"topic":"a","retain":1}', /retain has to be true or false/],
    ['{"topic":"a","last":-1}', /last has to be a whole number from 0 to 1000/],
    ['{"topic":"a","last":1e9}', /last has to be/],
    ['{"payload":{}}', /payload has to be text; JSON goes into event/],
    ['{"payloadBase64":"%"}', /payloadBase64 has to be Base64/],
    ['{"payload":"1","event":1}', /Give one of payload and event/],
  ]
  for (const [body, message] of cases) {
    const { reply, asked } = await post(body)
    assert.equal(reply.status, 400, body)
    assert.match(String(reply.body), message)
    assert.equal(asked.length, 0)
  }
})

test('answers 200 or 400 to whatever comes', async () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.json().map((text) => Buffer.from(text)),
  )
  await fc.assert(
    fc.asyncProperty(body, async (bytes) => {
      const { reply } = await post(bytes)
      assert.ok(reply.status === 200 || reply.status === 400)
    }),
  )
})

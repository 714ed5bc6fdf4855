import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { renderStatusPage, statusPagePolicy } from '../../../src/web/status-page.ts'
import { counts, fakeSystem, pipeline } from './fake-system.ts'

const now = Date.UTC(2026, 0, 2, 4, 4, 5)

test('shows state, reason, counts, drops by reason and quantiles of a pipeline', () => {
  const stats = counts({
    received: 12_345,
    published: 12_000,
    dropped: { ...counts().dropped, decode: 300, model: 45 },
    preQueue: 7,
    inRunners: 8,
    postQueue: 9,
    latency: { counts: counts().latency.counts.with(15, 10), sumMs: 120 },
  })
  const view = fakeSystem([pipeline({ state: 'BACKOFF', reason: 'the broker is away' })])
  const page = renderStatusPage(view, new Map([[pipeline().name, stats]]), now)
  for (const part of [
    'sub_process_plant_threshold_0',
    'BACKOFF',
    'for 1 h',
    'the broker is away',
    '12,345',
    '12,000',
    '345<small>decode 300</small><small>model 45</small>',
    '7 / 8 / 9',
    '12 ms / 14 ms',
    '0 of 1 pipelines ready',
    'up for 1 d 4 h',
  ]) {
    assert.ok(page.includes(part), `${part} not in ${page}`)
  }
})

test('shows what became of another version of the model', () => {
  const reason = 'tests/a.json: result is 2, expected <3>'
  const update = { version: '1.1.0', state: 'refused', reason, since: now - 65_000 } as const
  const page = renderStatusPage(fakeSystem([pipeline({ update })]), new Map(), now)
  const shown =
    '<small>version 1.1.0 <span class="bad">refused</span>: ' +
    'tests/a.json: result is 2, expected &#60;3&#62; · 1 min 5 s ago</small>'
  assert.ok(page.includes(shown), page)
  assert.ok(!renderStatusPage(fakeSystem([pipeline()]), new Map(), now).includes('<small>version'))
})

test('shows what comes again, is unacknowledged or on the disk, and lost sessions, when there are any', () => {
  const stats = counts({
    received: 1000,
    redelivered: 11,
    unacknowledged: 22,
    sessionsLost: 3,
    postQueue: 9,
    spooled: 4444,
  })
  const show = (of: typeof stats): string =>
    renderStatusPage(fakeSystem([pipeline()]), new Map([[pipeline().name, of]]), now)
  const page = show(stats)
  for (const part of [
    '1,000<small>again 11</small><small>unacknowledged 22</small><small>sessions lost 3</small>',
    '0 / 0 / 9<small>on disk 4,444</small>',
  ]) {
    assert.ok(page.includes(part), `${part} not in ${page}`)
  }
  assert.doesNotMatch(show(counts()), /again|unacknowledged|sessions lost|on disk/)
})

test('shows a pipeline that has told nothing yet', () => {
  const page = renderStatusPage(fakeSystem([pipeline({ state: 'NEW' })]), new Map(), now)
  assert.match(page, /NEW/)
  assert.match(page, /– \/ –/)
})

test('says so when there are no pipelines', () => {
  assert.match(renderStatusPage(fakeSystem([]), new Map(), now), /has no pipelines/)
})

test('shows what a hostile name says and does nothing that it asks for', () => {
  const name = `"><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;`
  const page = renderStatusPage(fakeSystem([pipeline({ name, reason: name })]), new Map(), now)
  assert.equal(page.includes('<script'), false)
  assert.equal(page.includes('<img'), false)
  assert.ok(page.includes('&#60;script&#62;alert(1)&#60;/script&#62;'))
  assert.ok(page.includes('&#38;amp;'), 'an entity in a name stays what it was')
})

test('no text from outside adds a tag or ends an attribute', () => {
  const tags = (page: string): string[] => page.match(/<[^>]*>/g) ?? []
  const plain = tags(renderStatusPage(fakeSystem([pipeline({ engine: 'x' })]), new Map(), now))
  const hostile = fc.string({
    unit: fc.constantFrom('<', '>', '"', "'", '&', '/', ' ', 'a', '水', '\n'),
    minLength: 1,
  })
  fc.assert(
    fc.property(hostile, hostile, hostile, (name, reason, engine) => {
      const page = renderStatusPage(
        fakeSystem([pipeline({ name, reason, engine, rule: name, model: reason })]),
        new Map(),
        now,
      )
      assert.deepEqual(tags(page), plain)
    }),
  )
})

test('its policy allows its own style sheet and no other, and no script', () => {
  const page = renderStatusPage(fakeSystem([pipeline()]), new Map(), now)
  const styles = [...page.matchAll(/<style>([^]*?)<\/style>/g)].map((match) => match[1] ?? '')
  assert.equal(styles.length, 1)
  const hash = createHash('sha256').update(styles[0]!).digest('base64')
  assert.ok(statusPagePolicy.includes(`style-src 'sha256-${hash}'`))
  assert.ok(statusPagePolicy.startsWith("default-src 'none'"))
  assert.equal(/ style=| on[a-z]+=|javascript:|<script|https?:\/\//.test(page), false)
})

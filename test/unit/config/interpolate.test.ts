import assert from 'node:assert/strict'
import test from 'node:test'
import { config, mistakesIn, settingsOf } from './config-files.ts'

test('replaces a variable, and a default for one that is not set', () => {
  const settings = settingsOf(
    config({ mqtt: ", username: '${USER_NAME}', password: '${PASSWORD:secret:1}'" }),
    {
      USER_NAME: 'me',
    },
  )
  assert.equal(settings.brokers[0]?.username, 'me')
  assert.equal(settings.brokers[0]?.password, 'secret:1')
})

test('takes an empty default, and a variable that is set to nothing, for empty text', () => {
  const settings = settingsOf(config({ func: 'env: { A: "${X:}", B: "${Y:y}" }' }), { Y: '' })
  assert.deepEqual(settings.pipelines[0]?.env, { A: '', B: '' })
})

test('takes a variable where a number or a truth value is expected', () => {
  const settings = settingsOf(
    config({
      rest: 'web:\n  port: ${PORT}\n  enabled: "${ENABLED}"',
      func: 'workers: "${WORKERS}"',
    }),
    { PORT: '8080', ENABLED: 'false', WORKERS: '4' },
  )
  assert.equal(settings.web.port, 8080)
  assert.equal(settings.web.enabled, false)
  assert.equal(settings.pipelines[0]?.workers, 4)
})

test('keeps a variable that looks like a number as text where text is expected', () => {
  const content = config({ rest: 'web:\n  token: ${TOKEN}' })
  for (const token of ['0123', '1e5', 'true', 'null', '0x10']) {
    assert.equal(settingsOf(content, { TOKEN: token }).web.token, token)
  }
})

test('lets a plain variable in params be what YAML makes of it, and a quoted one text', () => {
  const content = config({ func: 'params:\n      plain: ${X}\n      quoted: "${X}"' })
  assert.deepEqual(settingsOf(content, { X: '80' }).pipelines[0]?.params, {
    plain: 80,
    quoted: '80',
  })
})

test('does not look into what a variable contains', () => {
  const settings = settingsOf(config({ func: 'env: { A: "${X}" }' }), { X: '${Y} # [a: b]' })
  assert.deepEqual(settings.pipelines[0]?.env, { A: '${Y} # [a: b]' })
})

test('leaves $${ as a plain ${', () => {
  const settings = settingsOf(config({ func: 'env: { A: "$${X}", B: "$$", C: "a$${b}${X}" }' }), {
    X: '1',
  })
  assert.deepEqual(settings.pipelines[0]?.env, { A: '${X}', B: '$$', C: 'a${b}1' })
})

test('leaves the names of a topic template for later, in the topic of results alone', () => {
  const content = config({
    pub: ", clientId: 'x'",
    func: 'devices: [{ deviceName: d }]',
  }).replace('topic: out', "topic: '${SITE}/${device}/${rule}/${model}/${topic}/${topic[1]}'")
  const settings = settingsOf(content, { SITE: 's' })
  assert.equal(
    settings.pipelines[0]?.sink.topic,
    's/${device}/${rule}/${model}/${topic}/${topic[1]}',
  )
})

test('lists every variable that is not set, with its place', () => {
  const content = config({
    mqtt: ", username: '${A}', password: '${B}'",
    sub: ", clientId: '${device}'",
  })
  assert.deepEqual(mistakesIn(content), [
    'c.yaml:2:62: the environment variable A is not set (set it, or give a default: ${A:default})',
    'c.yaml:2:80: the environment variable B is not set (set it, or give a default: ${B:default})',
    'c.yaml:5:48: the environment variable device is not set (set it, or give a default: ${device:default})',
  ])
})

test('suggests the template name that a topic means', () => {
  const content = config({ func: 'devices: [{ deviceName: d }]' }).replace(
    'topic: out',
    "topic: 'out/${Device}'",
  )
  assert.deepEqual(mistakesIn(content), [
    'c.yaml:6:32: the environment variable Device is not set (did you mean ${device}?)',
  ])
})

test('refuses what names no variable', () => {
  assert.match(
    mistakesIn(config({ func: 'env: { A: "${}" , B: "${a b}" }' })).join('\n'),
    /names no variable[^]*names no variable/,
  )
})

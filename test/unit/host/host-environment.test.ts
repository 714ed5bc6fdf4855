import assert from 'node:assert/strict'
import test from 'node:test'
import { hostEnvironment } from '../../../src/host/host-environment.ts'

test('a host is given what it needs to find programs and certificates, and no secret', () => {
  const given = hostEnvironment({
    PATH: '/bin',
    TZ: 'Asia/Shanghai',
    MQTT_PASSWORD: 'correct-horse',
    AWS_SECRET_ACCESS_KEY: 'x',
    NODE_OPTIONS: '--inspect',
    LANG: undefined,
  })
  assert.deepEqual(given, { PATH: '/bin', TZ: 'Asia/Shanghai' })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runnerEnvironment } from '../../../src/runtime/worker-environment.ts'

test('passes on what a program needs to find itself, and no secret', () => {
  const env = runnerEnvironment({
    PATH: '/bin',
    LC_ALL: 'C.UTF-8',
    PYTHONPATH: '/opt/models',
    MQTT_PASSWORD: 'secret',
    AWS_SECRET_ACCESS_KEY: 'secret',
    NODE_OPTIONS: '--require /tmp/x.js',
    HOME: undefined,
  })
  assert.deepEqual(env, { PATH: '/bin', LC_ALL: 'C.UTF-8', PYTHONPATH: '/opt/models' })
})

test('lets the variables of the func win', () => {
  const env = runnerEnvironment({ PATH: '/bin', TZ: 'UTC' }, { TZ: 'Asia/Shanghai', MODE: 'edge' })
  assert.deepEqual(env, { PATH: '/bin', TZ: 'Asia/Shanghai', MODE: 'edge' })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowedMethods, errorReply, type Route } from '../../../src/web/route.ts'

function route(method: Route['method'], path: string): Route {
  return { method, path, public: false, handler: () => errorReply(500, 'X', 'never called') }
}

const routes = [
  route('GET', '/'),
  route('GET', '/v2/models/:name'),
  route('POST', '/v2/models/:name/infer'),
]

test('knows the methods of a path with its parameters filled in', () => {
  assert.deepEqual(allowedMethods(routes, '/v2/models/pump'), ['GET', 'HEAD'])
  assert.deepEqual(allowedMethods(routes, '/v2/models/pump/infer'), ['POST'])
  assert.deepEqual(allowedMethods(routes, '/'), ['GET', 'HEAD'])
})

for (const path of ['/v2', '/v2/models/', '/v2/models/a/b', '/V2/models/a', '']) {
  test(`knows no method of "${path}"`, () => assert.deepEqual(allowedMethods(routes, path), []))
}

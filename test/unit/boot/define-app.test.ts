import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineApp, readApp } from '../../../src/boot/define-app.ts'
import { PriorityGroup } from '../../../src/boot/starter.ts'

test('fills in the defaults of each starter', () => {
  const app = defineApp({ starters: [{ name: 'beat' }] })
  assert.equal(app.starters[0]?.name, 'beat')
  assert.equal(app.starters[0]?.priorityGroup, PriorityGroup.BasicResources)
})

test('reads again what it has made', () => {
  const app = readApp(defineApp({ starters: [{ name: 'beat', priority: 7 }] }), 'x.ts')
  assert.equal(app.starters[0]?.priority, 7)
})

test('an app without starters is an app', () => {
  assert.deepEqual(defineApp({ starters: [] }).starters, [])
})

const notApps: readonly (readonly [string, unknown])[] = [
  ['nothing', undefined],
  ['null', null],
  ['a number', 5],
  ['a list', []],
  ['an object without starters', {}],
  ['starters that are no list', { starters: { name: 'a' } }],
]
for (const [what, value] of notApps) {
  test(`refuses ${what} in place of an app, naming the file`, () => {
    assert.throws(() => readApp(value, '/opt/edgeboot.config.ts'), {
      code: 'CLI_APP_INVALID',
      exitCode: 3,
      message: /\/opt\/edgeboot\.config\.ts.*starters should be a list/,
    })
  })
}

test('lists every mistake at once', () => {
  const starters = [
    null,
    { name: '' },
    { name: 'a', start: 'now', priority: Number.NaN, blocking: 1, stopDeadlineMs: 0 },
    { name: 'a' },
  ]
  assert.throws(
    () => readApp({ starters }, 'app.ts'),
    (error: Error) => {
      for (const mistake of [
        'starters[0] should be a starter, but is null',
        'starters[1].name should be a text that is not empty, but is empty',
        'starters[2].start should be a function, but is of type string',
        'starters[2].priority should be a number, but is NaN',
        'starters[2].blocking should be a boolean, but is 1',
        'starters[2].stopDeadlineMs should be above zero, but is 0',
        'starters[3].name "a" is taken by another',
      ]) {
        assert.ok(error.message.includes(mistake), `${mistake}\nnot in: ${error.message}`)
      }
      return true
    },
  )
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { config, mistakesIn, settingsOf } from './config-files.ts'

const keyFile = fileURLToPath(new URL('../../fixtures/minisign/author.pub', import.meta.url))
const line = readFileSync(keyFile, 'utf8').split('\n')[1] ?? ''

test('takes keys as the line that minisign prints and as the file that it writes', () => {
  const { models } = settingsOf(
    config({ rest: `models: { require: signature, keys: [${keyFile}, ${line}] }` }),
  )
  assert.equal(models.require, 'signature')
  assert.deepEqual(models.keys, [line], 'once')
})

test('names keys that are none, with what is wrong', () => {
  const mistakes = mistakesIn(
    config({ rest: `models: { keys: [${line.slice(2)}, ${import.meta.filename}] }` }),
  )
  assert.match(mistakes[0] ?? '', /is no public key of minisign.*ENOENT/)
  assert.match(mistakes[1] ?? '', /c\.yaml:9:\d+: .*holds no public key of minisign/)
})

test('wants somebody to be trusted when signatures are required', () => {
  const [mistake] = mistakesIn(config({ rest: 'models: { require: signature }' }))
  assert.match(mistake ?? '', /models\.keys names nobody to be trusted/)
})

test('wants a digest of every model when digests are required', () => {
  const [mistake] = mistakesIn(config({ rest: 'models: { require: sha256 }' }))
  assert.match(mistake ?? '', /the model m has no modelSha256/)
})

test('wants mirrors to be mirrors of something, at addresses that are some', () => {
  const file = (more: string): string => config({ func: more })
  assert.match(mistakesIn(file('modelMirrors: [https://b/m.zip]'))[0] ?? '', /needs a modelAddress/)
  const wrong = file('modelAddress: https://a/m.zip\n    modelMirrors: [ftp://b/m.zip]')
  assert.match(mistakesIn(wrong)[0] ?? '', /modelMirrors has the protocol ftp/)
})

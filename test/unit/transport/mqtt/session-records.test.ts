import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import {
  type SessionRecord,
  SessionRecords,
} from '../../../../src/transport/mqtt/session-records.ts'
import { Scratch } from '../../../support/scratch.ts'

const record: SessionRecord = {
  broker: 'plant',
  url: 'mqtt://broker:1883',
  clientId: '边缘/1',
  filters: ['a/#', '$share/g/b'],
  keptForSeconds: 3600,
}
const { url, clientId } = record

test('reads what it wrote, and makes the folder', async () => {
  await using scratch = await Scratch.make()
  const records = new SessionRecords(scratch.path('state', 'sessions'))
  assert.deepEqual(await records.read(url, clientId), { kind: 'absent' })
  assert.deepEqual(await records.all(), [])
  await records.write(record)
  await records.write({ ...record, filters: ['b'] })
  assert.deepEqual(await records.read(url, clientId), {
    kind: 'record',
    record: { ...record, filters: ['b'] },
  })
  assert.equal((await scratch.tree('state/sessions')).length, 1, 'no temporary file is left')
})

test('keeps the records of brokers and client ids apart', async () => {
  await using scratch = await Scratch.make()
  const records = new SessionRecords(scratch.folder)
  const others = [
    { ...record, clientId: '2' },
    { ...record, url: 'mqtt://other:1883' },
  ]
  for (const each of [record, ...others]) await records.write(each)
  await records.delete(url, clientId)
  await records.delete(url, clientId)
  assert.deepEqual(await records.read(url, clientId), { kind: 'absent' })
  const left = (await records.all()).map(({ read }) => read.kind === 'record' && read.record)
  assert.deepEqual(new Set(left), new Set(others))
})

for (const [what, text] of [
  ['empty', ''],
  ['cut short', '{"format":1,"broker":"pl'],
  ['of another format', JSON.stringify({ format: 2, ...record })],
  ['without filters', JSON.stringify({ format: 1, ...record, filters: [] })],
  ['with a filter that is none', JSON.stringify({ format: 1, ...record, filters: [7] })],
  ['with a clean session', JSON.stringify({ format: 1, ...record, keptForSeconds: 0 })],
  ['a list', '[]'],
  ['nothing', 'null'],
] as const) {
  test(`does not trust a record that is ${what}`, async () => {
    await using scratch = await Scratch.make()
    const records = new SessionRecords(scratch.folder)
    await records.write(record)
    const file = records.fileOf(url, clientId)
    await scratch.write(file.slice(scratch.folder.length + 1), text)
    assert.equal((await records.read(url, clientId)).kind, 'unreadable')
    assert.equal((await records.all())[0]?.read.kind, 'unreadable')
    await records.write(record)
    assert.equal((await records.read(url, clientId)).kind, 'record')
  })
}

test('says that it cannot write where a file is in the way', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('sessions')
  const records = new SessionRecords(scratch.path('sessions'))
  await assert.rejects(records.write(record))
  assert.equal((await records.read(url, clientId)).kind, 'absent')
  await assert.rejects(records.all())
})

test('writes what a person can read', async () => {
  await using scratch = await Scratch.make()
  const records = new SessionRecords(scratch.folder)
  await records.write(record)
  const text = await readFile(records.fileOf(url, clientId), 'utf8')
  assert.deepEqual(JSON.parse(text), { format: 1, ...record })
})

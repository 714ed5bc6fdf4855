import assert from 'node:assert/strict'
import test from 'node:test'
import { HostQuestions } from '../../../src/host/host-questions.ts'
import { FakeClock } from '../../support/fake-clock.ts'

test('a question gets the answer that bears its number', async () => {
  const questions = new HostQuestions<string>(new FakeClock(), () => 'nothing')
  const asked: number[] = []
  const answers = ['one', 'two'].map(() => questions.ask((requestId) => void asked.push(requestId)))
  questions.answered(asked[1]!, 'second')
  questions.answered(asked[0]!, 'first')
  assert.deepEqual(await Promise.all(answers), ['first', 'second'])
})

test('a question that is not answered within a second gets what is known, and leaves no timer', async () => {
  const clock = new FakeClock()
  const questions = new HostQuestions<string>(clock, () => 'known')
  const late = questions.ask(() => {})
  clock.advance(1000)
  assert.equal(await late, 'known')
  questions.answered(0, 'too late')
  assert.equal(clock.timers, 0)
})

test('no question stays open when no answer will come', async () => {
  const clock = new FakeClock()
  const questions = new HostQuestions<string>(clock, () => 'known')
  const open = questions.ask(() => {})
  questions.giveUp()
  assert.equal(await open, 'known')
  assert.equal(clock.timers, 0)
})

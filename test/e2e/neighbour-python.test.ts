/**
 * One bad model and its neighbours: whatever a Python model does, those beside it go on as if
 * nothing had happened, and what it did is told and counted. How fast the neighbours were before
 * and meanwhile is printed; `bench/containment.ts` measures it.
 */
import { describe } from 'node:test'
import { misbehaving } from '../support/misbehaviour.ts'
import { needsMosquitto } from '../support/mosquitto.ts'
import { needsPython } from '../support/python-interpreters.ts'

/** Each death takes a second for its stack, and two for SIGTERM: one is enough. */
const slow = { attempts: 1, together: false }
const memory = 'memory: 96MiB, timeout: 20s'

describe('of Python models', { skip: needsMosquitto || needsPython }, () => {
  misbehaving('python', 'that never answer', {
    'loops-for-ever': { ends: 'deadline', tells: /it was at .*index\.py:[78]/ },
    'loops-in-native-code': { ends: 'deadline', tells: /it was at .*index\.py:9/ },
    'sleeps-past-its-deadline': { ends: 'deadline', tells: /it was at .*index\.py:9/ },
    'throws-in-a-thread': { ends: 'deadline', tells: /late news/ },
    'ignores-sigterm': { ends: 'deadline', tells: /RUNNER_DEADLINE/, ...slow },
    'blocks-signals': { ends: 'deadline', tells: /no stack could be had/, ...slow },
  })

  misbehaving('python', 'that die, leak or miscount', {
    exits: { ends: 'crash', tells: /exited with code 3/ },
    aborts: { ends: 'crash', tells: /ended by SIGABRT/ },
    'crashes-in-native-code': { ends: 'crash', tells: /ended by SIGSEGV/ },
    'allocates-without-end': { ends: 'crash', tells: /RUNNER_MEMORY/, func: memory },
    leaks: { ends: 'answered', tells: /runner\.recycled/, func: memory, culprits: 14 },
    // Nobody can say which result is whose, so the whole batch fails: here each event is one.
    'returns-too-many-results': { ends: 'model', tells: /WrongResultCount.*2/, together: false },
    'returns-too-few-results': { ends: 'model', tells: /WrongResultCount.*0/, together: false },
  })

  misbehaving('python', 'that meddle with what is not theirs', {
    forks: { ends: 'answered' },
    'closes-its-descriptors': { ends: 'deadline', tells: /RUNNER_DEADLINE/ },
    'closes-a-few-descriptors': { ends: 'crash', tells: /RUNNER_EXITED/ },
    'closes-a-random-descriptor': { ends: 'anyhow' },
    'writes-garbage': { ends: 'crash', tells: /RUNNER_(PROTOCOL|EXITED)/ },
  })
})

/**
 * One bad model and its neighbours: the same as for Python, of models that share a process with
 * their host. The host is all that they can take with them.
 */
import { describe } from 'node:test'
import { misbehaving } from '../support/misbehaviour.ts'
import { needsMosquitto } from '../support/mosquitto.ts'
import { needsPython } from '../support/python-interpreters.ts'

const memory = 'memory: 96MiB, timeout: 20s'

describe('of TypeScript models', { skip: needsMosquitto || needsPython }, () => {
  misbehaving('typescript', 'that never answer', {
    'loops-for-ever': { ends: 'deadline', tells: /it was at .*index\.ts:6/ },
    'loops-in-native-code': { ends: 'deadline', tells: /it was at .*index\.ts:6/ },
    'waits-for-ever': { ends: 'deadline', tells: /it was at .*index\.ts:6/ },
    'sleeps-past-its-deadline': { ends: 'deadline', tells: /waits for something asynchronous/ },
  })

  misbehaving('typescript', 'that die or leak', {
    exits: { ends: 'crash', tells: /RUNNER_EXITED.*code 3/ },
    'throws-from-a-timer': { ends: 'crash', tells: /RangeError: late news/ },
    'allocates-heap': { ends: 'crash', tells: /RUNNER_MEMORY/, func: memory },
    'allocates-buffers': { ends: 'crash', tells: /RUNNER_MEMORY/, func: memory },
    leaks: { ends: 'answered', tells: /runner\.recycled/, func: memory, culprits: 14 },
  })

  misbehaving('typescript', 'that meddle with what is their host’s', {
    spawns: { ends: 'answered' },
    aborts: { ends: 'crash', tells: /SIGABRT/ },
    'closes-a-few-descriptors': { ends: 'anyhow', tells: /HOST_(SILENT|EXITED)/ },
    'closes-its-descriptors': { ends: 'anyhow', tells: /HOST_(SILENT|EXITED)/ },
    // It may also crash of what it writes to pipes that Node keeps for itself.
    'writes-garbage': { ends: 'anyhow', tells: /HOST_(PROTOCOL|EXITED)/ },
    'forges-messages': { ends: 'anyhow', tells: /HOST_PROTOCOL/ },
  })
})

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import type { InferOutcome } from '../../../src/runtime/runner.ts'
import {
  type ModelUnderTest,
  published,
  RunningModel,
  withModelFolder,
} from '../../support/running-model.ts'
import { until } from '../../support/wait.ts'
import { compileWat, wasmModule } from '../../support/wasm-module.ts'

type Options = Partial<ModelUnderTest>

async function withWasm<T>(
  bytes: Uint8Array,
  use: (running: RunningModel, file: string) => Promise<T>,
  options: Options = {},
): Promise<T> {
  return await withModelFolder({ 'README.md': '' }, async (folder) => {
    const file = join(folder, 'model.wasm')
    await writeFile(file, bytes)
    const running = new RunningModel({
      runtime: 'wasm',
      format: 'wasm',
      folder,
      entry: 'model.wasm',
      ...options,
    })
    try {
      return await use(running, file)
    } finally {
      await running.stop()
    }
  })
}

/** What becomes of these events in a module with this body of `edgeboot_handle`. */
function outcomesOf(
  bytes: Uint8Array,
  events: readonly unknown[],
  options: Options = {},
): Promise<readonly InferOutcome[]> {
  return withWasm(
    bytes,
    async (running) => {
      await running.start()
      return (await running.infer(events)).outcomes
    },
    options,
  )
}

function loadError(bytes: Uint8Array, options: Options = {}): Promise<EdgebootError> {
  return withWasm(
    bytes,
    async (running) => {
      const thrown: unknown = await running.start().catch((error: unknown) => error)
      assert.ok(thrown instanceof EdgebootError, String(thrown))
      return thrown
    },
    options,
  )
}

function errorOf(outcome: InferOutcome | undefined): {
  type: string
  message: string
  where?: string
} {
  assert.ok(outcome?.kind === 'error', JSON.stringify(outcome))
  return outcome.error
}

const echo = '(call $result (local.get $event) (local.get $eventLength))'
const counting = `
  (global.set $count (i32.add (global.get $count) (i32.const 1)))
  (i32.store8 (i32.const 8) (i32.add (global.get $count) (i32.const 48)))
  (call $result (i32.const 8) (i32.const 1))`
/** An event of one digit is answered by a count; any other is a trap. */
const trapsOnLong = `(if (i32.gt_u (local.get $eventLength) (i32.const 1)) (then unreachable)) ${counting}`

test('gives a module the bytes of an event and publishes the bytes of its result', async () => {
  const events = [{ 设备: 'pump-1' }, 'x'.repeat(40_000)]
  const outcomes = await outcomesOf(wasmModule({ handle: echo }), events)
  assert.deepEqual(
    outcomes.map((outcome) => JSON.parse(published(outcome)) as unknown),
    events,
  )
})

test('gives a module the context of its event after it', async () => {
  const handle = '(call $result (local.get $context) (local.get $contextLength))'
  const [outcome] = await outcomesOf(wasmModule({ handle }), [1])
  assert.deepEqual(JSON.parse(published(outcome)), { topic: 't', qos: 0 })
})

test('publishes nothing for no result, and for what means nothing', async () => {
  const none = await outcomesOf(wasmModule(), [1])
  const words = await outcomesOf(wasmModule({ handle: echo }), [null, 'null', {}, '{}'])
  assert.deepEqual(
    [...none, ...words].map(({ kind }) => kind),
    Array.from({ length: 5 }).fill('empty'),
  )
})

test('makes an error of what the module calls one, and goes on', async () => {
  const handle = `(call $error (i32.const 16) (i32.const 7))`
  const outcomes = await outcomesOf(wasmModule({ handle }), [1, 2])
  for (const outcome of outcomes) {
    assert.deepEqual(errorOf(outcome), { type: 'ModelError', message: 'careful' })
  }
})

test('logs what the module logs', async () => {
  const handle = '(call $log (i32.const 2) (i32.const 16) (i32.const 7))'
  await withWasm(wasmModule({ handle }), async (running) => {
    await running.start()
    await running.infer([1])
    await until('the line', () => running.lines.length > 0)
    assert.deepEqual(running.lines, [
      { level: 'warn', event: 'model.log', fields: { message: 'careful' } },
    ])
  })
})

test('gives params to edgeboot_init, and refuses to load what calls them wrong', async () => {
  const more =
    '(func (export "edgeboot_init") (param i32 i32) (call $error (local.get 0) (local.get 1)))'
  const error = await loadError(wasmModule({ more }), { params: { limit: 7 } })
  assert.equal(error.code, 'MODEL_IMPORT_FAILED')
  assert.match(error.message, /could not be initialised: .*"params":\{"limit":7\}/)
})

test('calls _initialize of modules that have constructors', async () => {
  const more = '(func (export "_initialize") (global.set $count (i32.const 4)))'
  const [outcome] = await outcomesOf(wasmModule({ handle: counting, more }), [1])
  assert.equal(published(outcome), '5')
})

test('keeps what a module remembers, and starts it anew after a trap', async () => {
  const outcomes = await outcomesOf(wasmModule({ handle: trapsOnLong }), [1, 2, 'long', 3])
  assert.deepEqual(
    [0, 1, 3].map((i) => published(outcomes[i])),
    ['1', '2', '1'],
  )
  assert.equal(errorOf(outcomes[2]).type, 'WasmTrap')
})

for (const [what, handle, message] of [
  ['unreachable', 'unreachable', /unreachable instruction: a panic/],
  ['a division by zero', '(drop (i32.div_u (i32.const 1) (global.get $count)))', /divide by zero/],
  ['an access beyond the memory', '(drop (i32.load (i32.const -8)))', /beyond its memory/],
  [
    'a recursion without end',
    '(call $handle (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))',
    /stack overflowed/,
  ],
] as const) {
  test(`makes a readable error of a trap: ${what}`, async () => {
    const [outcome] = await outcomesOf(wasmModule({ handle }), [1])
    const error = errorOf(outcome)
    assert.equal(error.type, 'WasmTrap')
    assert.match(error.message, message)
    assert.match(error.where ?? '', /model\.wasm: handle$/)
  })
}

for (const [what, handle, message] of [
  [
    'a result beyond the memory',
    '(call $result (i32.const 65530) (i32.const 7))',
    /address 65530, length 7: beyond the memory of 65536 bytes/,
  ],
  [
    'a result of negative length',
    '(call $result (i32.const 8) (i32.const -1))',
    /length 4294967295: beyond/,
  ],
  [
    'an error at a wild address',
    '(call $error (i32.const -1) (i32.const 1))',
    /an error address 4294967295/,
  ],
  [
    'a log line at a wild address',
    '(call $log (i32.const 1) (i32.const -1) (i32.const 9))',
    /a log line address/,
  ],
  [
    'a log line of an unknown level',
    '(call $log (i32.const 9) (i32.const 0) (i32.const 1))',
    /level 9/,
  ],
  ['two results', `${echo} ${echo}`, /two results for one event/],
] as const) {
  test(`makes an error of what the ABI does not allow: ${what}`, async () => {
    const [outcome] = await outcomesOf(wasmModule({ handle }), [1])
    const error = errorOf(outcome)
    assert.equal(error.type, 'AbiError')
    assert.match(error.message, message)
  })
}

test('does not write where a module says there is room and there is none', async () => {
  const [outcome] = await outcomesOf(wasmModule({ alloc: '(i32.const 65535)' }), ['long'])
  assert.match(errorOf(outcome).message, /edgeboot_alloc returned address 65535/)
})

test('tells of an event that a module has no room for', async () => {
  const [outcome] = await outcomesOf(wasmModule({ alloc: '(i32.const 0)' }), [1])
  assert.match(errorOf(outcome).message, /no room for the \d+ bytes/)
})

test('refuses a result that is larger than what is published', async () => {
  const handle = '(call $result (i32.const 0) (i32.const 0x7000000))'
  const [outcome] = await outcomesOf(wasmModule({ handle, memory: '2000' }), [1])
  assert.match(errorOf(outcome).message, /a result of 117440512 bytes; at most \d+ are published/)
})

test('lets a module grow to the memory of its func and no further', async () => {
  const handle = `
    (i32.store8 (i32.const 8) (i32.add (i32.const 50) (memory.grow (i32.const 15))))
    (call $result (i32.const 8) (i32.const 1))`
  const outcomes = await outcomesOf(wasmModule({ handle }), [1, 2], {
    memoryBytesMax: 64 * 1024 ** 2,
  })
  assert.deepEqual(outcomes.map(published), ['3', 'B'])
  const tight =
    '(if (i32.eq (memory.grow (i32.const 1024)) (i32.const -1)) (then (call $error (i32.const 16) (i32.const 7))))'
  const [refused] = await outcomesOf(wasmModule({ handle: tight }), [1], {
    memoryBytesMax: 64 * 1024 ** 2,
  })
  assert.equal(errorOf(refused).message, 'careful')
})

test('refuses a module that needs more memory from the start', async () => {
  const error = await loadError(wasmModule({ memory: '2000' }), { memoryBytesMax: 64 * 1024 ** 2 })
  assert.equal(error.code, 'MODEL_FILE_INVALID')
  assert.match(error.message, /needs 2000 pages of memory from the start, and may have 1024/)
})

const anyImport = (module: string, name: string) =>
  wasmModule({ imports: `(import "${module}" "${name}" (func (param i32)))` })

for (const [module, name, advice] of [
  ['wasi_snapshot_preview1', 'proc_exit', /built for WASI.*wasm32-unknown-unknown/],
  ['env', 'abort', /--use abort=/],
  ['env', 'sqrt', /not linked/],
  ['extism:host/env', 'length', /format: extism/],
  ['edgeboot', 'fetch', /a model may import edgeboot\.result, edgeboot\.error, edgeboot\.log/],
] as const) {
  test(`refuses an import with what to do: ${module}.${name}`, async () => {
    const error = await loadError(anyImport(module, name))
    assert.equal(error.code, 'MODEL_IMPORT_FAILED')
    assert.ok(error.message.includes(`imports ${module}.${name} (function)`), error.message)
    assert.match(error.message, advice)
  })
}

for (const without of ['memory', 'edgeboot_abi_version', 'edgeboot_alloc', 'edgeboot_handle']) {
  test(`refuses a module that does not export ${without}`, async () => {
    const error = await loadError(wasmModule({ without }))
    assert.equal(error.code, 'MODEL_NO_HANDLER')
    assert.match(error.message, new RegExp(`exports no \\w+ named ${without}:`))
  })
}

test('refuses a module that speaks another version', async () => {
  const error = await loadError(wasmModule({ version: 2 }))
  assert.match(error.message, /speaks version 2 of the ABI, and this is 1/)
})

const whole = wasmModule({ handle: echo })
for (const [what, bytes, message] of [
  ['an empty file', Buffer.alloc(0), /is empty/],
  ['a text', Buffer.from('not a module'), /does not begin as a WebAssembly module does/],
  ['a module cut short', whole.subarray(0, 60), /is cut short/],
  ['a component', Buffer.from('0061736d0d000100', 'hex'), /is a component/],
  [
    'a memory of 64 bits',
    Buffer.from('0061736d0100000005030104010000', 'hex').subarray(0, 13),
    /memory of 64 bits/,
  ],
  [
    'a damaged module',
    Buffer.from(whole).fill(0xff, whole.length - 120, whole.length - 90),
    /model\.wasm/,
  ],
] as const) {
  test(`refuses ${what}`, async () => {
    const error = await loadError(bytes)
    assert.equal(error.code, 'MODEL_FILE_INVALID')
    assert.match(error.message, message)
  })
}

test('kills a module that spins, and tells the event; the one beside it goes on', async () => {
  const spins = wasmModule({
    handle: `(if (i32.gt_u (local.get $eventLength) (i32.const 1)) (then (loop $l (br $l)))) ${echo}`,
  })
  await withWasm(spins, async (stuck) => {
    await withWasm(spins, async (beside) => {
      await Promise.all([stuck.start(), beside.start()])
      const answer = stuck.infer([1, 2, 'long'])
      stuck.runner.interrupt(new EdgebootError('RUNNER_DEADLINE', 'took too long'))
      const { outcomes } = await beside.infer([1, 2, 3])
      assert.deepEqual(outcomes.map(published), ['1', '2', '3'])
      const { lost, lostOn } = await answer
      assert.equal(lost?.code, 'RUNNER_DEADLINE')
      assert.ok(lostOn === undefined || lostOn === 2)
      assert.equal((await stuck.exited).code, 'RUNNER_DEADLINE')
    })
  })
})

test('gives up a module that spins while it is instantiated', async () => {
  const more = '(func $forever (loop $l (br $l))) (start $forever)'
  const error = await loadError(wasmModule({ more }), { startMs: 300 })
  assert.equal(error.code, 'RUNNER_START_TIMEOUT')
})

test('takes a module as it is that has no memory section to bound', async () => {
  const error = await loadError(compileWat('(module)'))
  assert.equal(error.code, 'MODEL_NO_HANDLER')
})

/**
 * Entry of the worker thread that runs a model: JavaScript, or what JavaScript can run. Speaks with `thread-runner.ts` through a
 * port of its own, so that nothing that a model does with `parentPort` means anything.
 */
import { workerData, type MessagePort } from 'node:worker_threads'
import type { Writable } from 'node:stream'
import { decodeInfer, encodeResult, resultBytesMax } from './batch-codec.ts'
import type { ModelConstants } from './model-context.ts'
import { createModelLog } from './model-log.ts'
import type { ModelExecutor } from './model-executor.ts'
import { ModelLoadError } from './model-module.ts'
import { openExecutor } from './open-executor.ts'
import { ProgressMark } from './progress-mark.ts'
import type { ThreadData, ToHost, ToThread } from './thread-messages.ts'

/** Printed bytes that may wait for the host. A model that prints without end loses the rest. */
const printedBytesMax = 1024 * 1024

const data = workerData as ThreadData & { port?: MessagePort; progress?: SharedArrayBuffer }
const { port, progress } = data
if (port === undefined || progress === undefined) {
  throw new Error('this file is started by thread-runner.ts alone')
}
delete data.port // a model can import workerData
delete data.progress
const mark = new ProgressMark(progress)

// Below a library ten frames deep the model's own line would not be seen.
Error.stackTraceLimit = 30
boundPrinting(process.stdout)
boundPrinting(process.stderr)
await serve(port)

async function serve(port: MessagePort): Promise<void> {
  const send = (message: ToHost): void => port.postMessage(message)
  const constants: ModelConstants = {
    rule: data.rule,
    model: { name: data.model.name, version: data.model.version },
    params: data.params,
    log: createModelLog((message) => send({ type: 'log', ...message })),
  }
  let executor: ModelExecutor
  try {
    executor = await openExecutor({ model: data.model, constants, resultBytesMax })
  } catch (thrown) {
    if (!(thrown instanceof ModelLoadError)) throw thrown
    send({ type: 'failed', ...thrown.failure })
    port.close()
    return
  }
  let turn = Promise.resolve()
  port.on('message', (message: ToThread) => {
    turn = turn.then(() => (message === 'drain' ? leave() : runBatch(port, executor, message)))
  })
  send({ type: 'ready', engine: executor.engine })
}

async function runBatch(
  port: MessagePort,
  executor: ModelExecutor,
  body: ArrayBuffer,
): Promise<void> {
  const { batchId, items } = decodeInfer(new Uint8Array(body))
  mark.enter(batchId)
  await executor.execute(items, mark, (first, outcomes) => {
    const { buffer } = encodeResult({ batchId, first, outcomes })
    port.postMessage(buffer, [buffer as ArrayBuffer])
  })
}

/** Ends the thread, whatever timers and listeners the model has, once its prints are out. */
async function leave(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => stream.write('', () => resolve()))
  }
  process.exit(0)
}

function boundPrinting(stream: Writable): void {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean
  const bounded = (...args: unknown[]): boolean => {
    if (stream.writableLength <= printedBytesMax) return write(...args)
    const done = args.at(-1)
    if (typeof done === 'function') process.nextTick(done)
    return false
  }
  stream.write = bounded as typeof stream.write
}

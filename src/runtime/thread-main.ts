/**
 * Entry of the worker thread that runs a model: JavaScript, or what JavaScript can run. Speaks with
 * `thread-runner.ts` through a port of its own, so that nothing that a model does with `parentPort`
 * means anything.
 */
import { workerData, type MessagePort } from 'node:worker_threads'
import { BatchServer } from './batch-server.ts'
import { boundPrinting, flushPrinted } from './bounded-printing.ts'
import { ProgressMark } from './progress-mark.ts'
import type { ThreadData, ToHost, ToThread } from './thread-messages.ts'

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
boundPrinting()
await serve(port)

async function serve(port: MessagePort): Promise<void> {
  const send = (message: ToHost): void => port.postMessage(message)
  const server = await BatchServer.open(data, mark, {
    failed: (failure) => send({ type: 'failed', ...failure }),
    log: (message) => send({ type: 'log', ...message }),
    result: ({ buffer }) => port.postMessage(buffer, [buffer as ArrayBuffer]),
  })
  if (server === undefined) {
    port.close()
    return
  }
  port.on('message', (message: ToThread) => {
    if (message === 'drain') void server.drain().then(leave)
    else server.infer(new Uint8Array(message))
  })
  send({ type: 'ready', ...server.ready })
}

/** Ends the thread, whatever timers and listeners the model has, once its prints are out. */
async function leave(): Promise<void> {
  await flushPrinted()
  process.exit(0)
}

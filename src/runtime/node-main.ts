/**
 * Entry of a child process that runs a model which needs no other language but may end its process:
 * native libraries. Speaks with `process-runner.ts` in frames on descriptors 3 and 4, and marks the
 * event that it is on in the file that is descriptor 6. What the model prints is not in their way.
 */
import { fstatSync, writeFileSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { BatchServer } from './batch-server.ts'
import { boundPrinting, flushPrinted } from './bounded-printing.ts'
import { decodeJsonBody, encodeFrame, encodeJsonFrame, fromRunner, toRunner } from './frame.ts'
import { FrameReader } from './frame-reader.ts'
import { progressBytes, ProgressMark } from './progress-mark.ts'
import { WrittenMark } from './written-mark.ts'
import type { ThreadData } from './thread-messages.ts'

const framesIn = 3
const framesOut = 4
const progress = 6

const [, , name = 'edgeboot model'] = process.argv
process.title = name
// Below a library ten frames deep the model's own line would not be seen.
Error.stackTraceLimit = 30
// Ctrl-C is the parent's, which stops us in order.
process.on('SIGINT', () => {})
beFirstToGo()
boundPrinting()

let server: BatchServer | undefined
/** Frames are given on once the model is loaded. */
let waiting: { type: number; body: Uint8Array }[] | undefined = []

const reader = new FrameReader({ types: Object.values(toRunner) })
const input = new Socket({ fd: framesIn, readable: true, writable: false })
input.on('data', (chunk: Buffer) => reader.push(chunk, onFrame))
input.on('error', vanish)
input.on('end', vanish)

function onFrame(type: number, body: Uint8Array): void {
  if (type === toRunner.start) void start(decodeJsonBody(body) as unknown as ThreadData)
  else if (waiting !== undefined) waiting.push({ type, body })
  else if (type === toRunner.infer) server?.infer(body)
  else void server?.drain().then(leave)
}

async function start(data: ThreadData): Promise<void> {
  server = await BatchServer.open(data, openMark(), {
    failed: (failure) => send(encodeJsonFrame(fromRunner.failed, failure)),
    log: (message) => send(encodeJsonFrame(fromRunner.log, message)),
    result: (body) => send(encodeFrame(fromRunner.result, body)),
  })
  if (server === undefined) return await leave()
  send(encodeJsonFrame(fromRunner.ready, server.ready))
  const held = waiting ?? []
  waiting = undefined
  for (const { type, body } of held) onFrame(type, body)
}

/** Ends the process, whatever timers the model has, once its prints are out. */
async function leave(): Promise<void> {
  await flushPrinted()
  process.exit(0)
}

/** Whole frames, in order, gone when this returns: the end may come at any time. */
function send(frame: Buffer): void {
  let at = 0
  while (at < frame.length) {
    try {
      at += writeSync(framesOut, frame, at)
    } catch (thrown) {
      const code = (thrown as NodeJS.ErrnoException).code
      if (code === 'EPIPE') vanish() // nobody is left to answer to
      if (code !== 'EAGAIN') throw thrown
    }
  }
}

/** The host is gone. An ordered exit would wait for a library that is busy. */
function vanish(): void {
  process.kill(process.pid, 'SIGKILL')
}

function openMark(): ProgressMark {
  try {
    const { size, nlink } = fstatSync(progress)
    // Not somebody else's.
    if (size === progressBytes && nlink === 0) return new WrittenMark(progress)
  } catch {
    // The host then has to search for an event that kills.
  }
  return new ProgressMark()
}

/** When memory runs out, Linux takes this process rather than the one that keeps it. */
function beFirstToGo(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '500')
  } catch {
    // Another system, or not allowed.
  }
}

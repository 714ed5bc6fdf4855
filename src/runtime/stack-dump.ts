/** What a runner was doing when its time was over: parsed, and put into the error that ends it. */
import { EdgebootError } from '../core/errors.ts'

/** The stacks of a runner, as far as they could be had. */
export interface StackDump {
  /** All of them, cut to {@link stackCharsMax}. */
  readonly text?: string
  /** `file:line` of the innermost frame in the model's own files. */
  readonly where?: string
  /** What is known instead, as a clause: `it waits for something asynchronous`. */
  readonly remark?: string
}

/** A dump beyond this is cut: it goes into a log line, a state and dead letters. */
export const stackCharsMax = 16 * 1024
/** How long a runner may take to show its stacks before it is ended without; usually it takes 40 ms. */
export const stackDumpMs = 1_000

/** A runner that cannot be asked, or did not answer in time. */
export const noStack: StackDump = { remark: 'no stack could be had of it' }

/** The same error, with what the runner was doing in its text and in its details. */
export function withStack(error: EdgebootError, dump: StackDump): EdgebootError {
  const { text, where, remark } = dump
  const told = where === undefined ? remark : `it was at ${where}`
  return new EdgebootError(error.code, told ? `${error.message}; ${told}` : error.message, {
    details: {
      ...error.details,
      ...(where === undefined ? {} : { where }),
      ...(text === undefined ? {} : { stack: text.slice(0, stackCharsMax) }),
    },
    cause: error.cause,
    fix: error.fix,
  })
}

const pythonFrame = /^ {2}File "(.*)", line (\d+) in /

/**
 * Reads what Python's `faulthandler` writes: the threads, each with its innermost call first. The
 * place is looked for in the thread that answers events, and only then in others.
 *
 * @param folder - The model's folder as its frames name it.
 * @param workerFile - The file whose frames mark the thread that answers events.
 */
export function parsePythonStacks(text: string, folder: string, workerFile: string): StackDump {
  if (text.trim() === '') return noStack
  const threads = text.split(/\n(?=(?:Current t|T)hread 0x)/)
  const answering = threads.find((thread) => thread.includes(`File "${workerFile}"`))
  const ordered = answering === undefined ? threads : [answering, ...threads]
  for (const thread of ordered) {
    const where = innermostOwn(thread, folder)
    if (where !== undefined) return { text, where }
  }
  return { text, remark: 'it was in no file of its own' }
}

function innermostOwn(thread: string, folder: string): string | undefined {
  for (const line of thread.split('\n')) {
    const [, written, number] = pythonFrame.exec(line) ?? []
    if (written === undefined) continue
    const file = unescaped(written)
    const isOwn = file.startsWith(`${folder}/`)
    const inside = isOwn ? file.slice(folder.length) : ''
    if (!isOwn || inside.includes('site-packages') || inside.includes('/.venv/')) continue
    return `${file}:${number}`
  }
  return undefined
}

/** A signal handler writes ASCII alone: `faulthandler` escapes all else. */
function unescaped(path: string): string {
  return path.replace(/\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))/g, (all, x, u, U) => {
    const code = Number.parseInt(x ?? u ?? U, 16)
    return code <= 0x10ffff ? String.fromCodePoint(code) : all
  })
}

/** What a module died of, as an error of the model. */
import type { ModelError } from '../runner.ts'

const framesMax = 30
const ownFrame = /^\s+at (?:(.*?) \()?(?:wasm:\/\/)[^)]*?(?:wasm-function\[(\d+)\])/

/** V8's words for traps that say little to whoever wrote the module. */
const meanings: readonly (readonly [RegExp, string])[] = [
  [
    /^unreachable$/,
    'it came to an unreachable instruction: a panic, an abort or a failed assertion',
  ],
  [/^Maximum call stack/, 'its stack overflowed: a recursion without end, or a very deep one'],
  [/memory access out of bounds/, 'it read or wrote beyond its memory'],
  [
    /table index is out of bounds|null function|signature mismatch/,
    'it called what is no function',
  ],
]

/**
 * Makes a model error of what a call into a module threw.
 *
 * @param file - The module.
 */
export function describeTrap(thrown: unknown, file: string): ModelError {
  if (!(thrown instanceof Error)) {
    return { type: 'WasmException', message: 'it threw an exception that it did not catch itself' }
  }
  const frames = framesOf(thrown.stack ?? '')
  const isTrap = thrown.name === 'RuntimeError' || thrown instanceof RangeError
  const meaning = meanings.find(([pattern]) => pattern.test(thrown.message))?.[1]
  const message = meaning === undefined ? thrown.message : `${meaning} (${thrown.message})`
  return {
    type: isTrap ? 'WasmTrap' : thrown.name,
    message,
    ...(frames[0] === undefined ? {} : { where: `${file}: ${frames[0]}` }),
    ...(frames.length === 0
      ? {}
      : { traceback: frames.map((frame) => `    at ${frame}`).join('\n') }),
  }
}

/** Functions of the module, innermost first. Offsets are left out: bounding the memory moves them. */
function framesOf(stack: string): string[] {
  const frames: string[] = []
  for (const line of stack.split('\n')) {
    const [matched, name, index] = ownFrame.exec(line) ?? []
    if (matched === undefined) continue
    frames.push(
      name === undefined || name.startsWith('wasm://') ? `function ${index}` : shortName(name),
    )
    if (frames.length === framesMax) break
  }
  return frames
}

/** V8 writes `module.function` where the module has a name. */
function shortName(name: string): string {
  return name.replace(/^(?:async )?[\w-]+\.wasm\./, '')
}

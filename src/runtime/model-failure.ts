/** Exceptions of JavaScript models as text: type, message, and where in the model they came from. */
import { realpathSync } from 'node:fs'
import { sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ModelError } from './runner.ts'

const tracebackCharsMax = 8 * 1024
const messageCharsMax = 2 * 1024

/** A frame (`    at f (file:///a/b.ts:3:7)`) or a place alone (`/a/b.js:3`). */
const placeInStack = /^(?:\s+at (?:async )?(?:.*? \()?)?((?:file:\/\/)?\/.*?):(\d+)(?::\d+)?\)?$/

/** A model's folder as stacks name it: links resolved, if it is there. */
export function ownFolder(folder: string): string {
  try {
    return realpathSync(folder)
  } catch {
    return folder
  }
}

/**
 * Makes a model error of whatever a handler threw.
 *
 * @param folder - The model's folder, links resolved.
 */
export function describeModelError(thrown: unknown, folder: string): ModelError {
  if (!isErrorLike(thrown)) {
    return { type: typeof thrown, message: bounded(readable(thrown), messageCharsMax) }
  }
  const traceback = readable(thrown.stack ?? '')
  const where = placeInModel(traceback, folder)
  return {
    type: readable(thrown.name),
    message: bounded(readable(thrown.message), messageCharsMax),
    ...(where === undefined ? {} : { where }),
    traceback: bounded(traceback, tracebackCharsMax),
  }
}

/** `file:line` of the innermost frame in the model's own files. */
export function placeInModel(stack: string, folder: string): string | undefined {
  for (const line of stack.split('\n')) {
    const place = placeOf(line)
    if (place === undefined || !place.file.startsWith(folder + sep)) continue
    if (!place.file.slice(folder.length).includes(`${sep}node_modules${sep}`)) return place.text
  }
  return undefined
}

/** The place that a line of a stack names, if any. */
export function placeOf(line: string): { file: string; text: string } | undefined {
  const [, named, number] = placeInStack.exec(line) ?? []
  if (named === undefined || line.includes('<anonymous>:')) return undefined
  try {
    const file = named.startsWith('file:') ? fileURLToPath(named) : named
    return { file, text: `${file}:${number}` }
  } catch {
    return undefined
  }
}

interface ErrorLike {
  readonly name: unknown
  readonly message: unknown
  readonly stack?: unknown
  readonly code?: unknown
}

/** Errors of another realm (`node:vm`) are no instance of ours. */
export function isErrorLike(thrown: unknown): thrown is ErrorLike {
  return typeof thrown === 'object' && thrown !== null && 'message' in thrown && 'name' in thrown
}

function readable(value: unknown): string {
  try {
    return String(value)
  } catch {
    return '(a value that cannot be printed)'
  }
}

function bounded(text: string, charsMax: number): string {
  return text.length > charsMax ? `${text.slice(0, charsMax - 1)}…` : text
}

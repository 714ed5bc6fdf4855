/** Why a JavaScript model could not be imported, and where: Node knows it, but says it in many ways. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeModelError, isErrorLike, placeOf } from './model-failure.ts'
import type { LoadFailure } from './worker-messages.ts'

const offendingCharsMax = 200
const checkMs = 5_000

/**
 * Makes a load failure of what the import of an entry file threw.
 *
 * @param folder - The model's folder, links resolved.
 * @param lastUrl - The module that Node turned to last: the one that it could not compile, when it
 * was compiling.
 */
export function describeLoadFailure(
  thrown: unknown,
  folder: string,
  lastUrl: string | undefined,
): LoadFailure {
  const { type, message, where, traceback } = describeModelError(thrown, folder)
  const code = isErrorLike(thrown) ? thrown.code : undefined
  const extra = traceback === undefined ? {} : { traceback }
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') {
    const place = placeOfImport(message) ?? where
    const [summary = message] = message.split('\n', 1)
    return { kind: 'import', message: summary + at(place), ...placed(place), ...extra }
  }
  const isMissingExport = message.includes('does not provide an export named')
  if (type === 'SyntaxError' && !isMissingExport) {
    const place = placeAtTop(traceback) ?? (where === undefined ? placeByCheck(lastUrl) : undefined)
    if (place !== undefined) {
      const text = message + at(place) + offendingText(place)
      return { kind: 'syntax', message: text, ...placed(place), ...extra }
    }
  }
  const place = placeAtTop(traceback) ?? where
  const text = `importing it raised ${type}${at(place)}: ${message}`
  return { kind: 'import', message: text, ...placed(place), ...extra }
}

function at(place: string | undefined): string {
  return place === undefined ? '' : ` at ${place}`
}

function placed(place: string | undefined): { where: string } | Record<string, never> {
  return place === undefined ? {} : { where: place }
}

/** CommonJS and TypeScript: the stack of a SyntaxError begins with the place. */
function placeAtTop(stack: string | undefined): string | undefined {
  const [first = ''] = (stack ?? '').split('\n', 1)
  return first.startsWith('SyntaxError') ? undefined : placeOf(first)?.text
}

/** ES modules: Node keeps the place to itself and tells it only on a terminal. */
function placeByCheck(url: string | undefined): string | undefined {
  if (url === undefined || !/^file:.*\.[mc]?js$/.test(url)) return undefined
  const file = fileURLToPath(url)
  const check = spawnSync(process.execPath, ['--check', file], {
    encoding: 'utf8',
    env: {},
    timeout: checkMs,
  })
  return check.status === 0 ? undefined : (placeAtTop(check.stderr) ?? file)
}

/** Node names the file that imports what is missing, not the line: that is looked up. */
function placeOfImport(message: string): string | undefined {
  const [, what, file] =
    /Cannot find (?:package|module) '([^']+)' imported from (.+)/.exec(message) ??
    /Cannot find module '([^']+)'[^]*?Require stack:\n- (.+)/.exec(message) ??
    []
  if (what === undefined || file === undefined) return undefined
  const wanted = basename(what)
  const isImport = (line: string): boolean => /import|export|require/.test(line)
  const index = linesOf(file).findIndex((line) => isImport(line) && line.includes(wanted))
  return index < 0 ? file : `${file}:${index + 1}`
}

function offendingText(place: string): string {
  const [, file, line] = /^(.*):(\d+)$/.exec(place) ?? []
  if (file === undefined) return ''
  const text = linesOf(file)[Number(line) - 1]?.trim() ?? ''
  return text === '' ? '' : `: ${text.slice(0, offendingCharsMax)}`
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return []
  }
}

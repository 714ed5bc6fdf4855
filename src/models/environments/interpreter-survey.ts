import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { environmentError } from './environment-error.ts'
import { runProgram, type Program } from './run-program.ts'

const surveyFile = fileURLToPath(new URL('../../../python/edgeboot_survey.py', import.meta.url))
/** It imports no more than pip's own parts; a loaded machine is slow all the same. */
const surveyMs = 60_000

/** What an interpreter is, and what it has of a package's `requirements.txt`. */
export interface InterpreterSurvey {
  /** Its own account of where it is; with links resolved. */
  readonly executable: string
  readonly real: string
  /** Such as `3.11.2`. */
  readonly version: string
  /** Such as `linux-x86_64`. */
  readonly platform: string
  /** Whether it can make virtual environments with a pip in them. */
  readonly hasVenv: boolean
  /** SHA-256 of the requirements, and of the files that they include. */
  readonly digest: string
  /** Whether they name files of the package. */
  readonly hasLocalPaths: boolean
  /** Lines that are not satisfied, or that only pip can judge, and why. */
  readonly unmet: readonly string[]
  /** Wheels of distributions of which none in the package suits this interpreter. */
  readonly foreignWheels: readonly string[]
  /** The first tag of wheels that suit; `null` when it is not known. */
  readonly tag: string | null
}

/**
 * Asks an interpreter. Changes nothing and uses no network.
 *
 * @throws `MODEL_ENVIRONMENT_FAILED` for one that cannot be asked.
 */
export async function surveyInterpreter(
  python: string,
  model: { readonly name: string; readonly folder: string },
  way: Pick<Program, 'env' | 'clock' | 'signal'>,
): Promise<InterpreterSurvey> {
  const { name, folder } = model
  const { code, stdout, tail } = await runProgram({
    command: python,
    args: [surveyFile, join(folder, 'requirements.txt'), join(folder, 'wheels')],
    cwd: folder,
    timeoutMs: surveyMs,
    ...way,
  })
  const survey = code === 0 ? parsed(stdout) : undefined
  if (survey !== undefined) return survey
  const reason = `${python} did not say what it has (exit ${code ?? 'by a signal'})`
  throw environmentError(name, python, reason, { output: tail })
}

function parsed(text: string): InterpreterSurvey | undefined {
  try {
    const value = JSON.parse(text) as InterpreterSurvey
    return typeof value.digest === 'string' && Array.isArray(value.unmet) ? value : undefined
  } catch {
    return undefined
  }
}

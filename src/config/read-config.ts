import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { EdgebootError } from '../core/errors.ts'
import type { MapNode } from './config-node.ts'
import { decodeText } from './decode-text.ts'
import { Findings } from './finding.ts'
import { interpolate, type Environment } from './interpolate.ts'
import { translateLegacy, type NativeTree } from './legacy.ts'
import { readYaml } from './yaml-text.ts'

/** A thousand pipelines take a tenth of it. */
const fileBytesMax = 4 * 1024 * 1024

/** A file in the native form, with what was found on the way. */
export interface ReadConfig {
  /** Absent when what was found leaves nothing to go on with. */
  readonly tree?: NativeTree
  readonly findings: Findings
}

/**
 * Reads a configuration file, replaces its variables, and brings it into the native form.
 *
 * @param file - As it was named: so findings call it.
 * @param options.cwd - What it is relative to. Default: the folder of the process.
 * @param options.keepMissing - Leaves variables that are not set as they are written.
 * @throws EdgebootError `CONFIG_NOT_FOUND` when there is no such file. Everything else is a finding.
 */
export function readConfig(
  file: string,
  env: Environment,
  options: { cwd?: string; keepMissing?: boolean } = {},
): ReadConfig {
  const findings = new Findings(file)
  const text = readText(file, resolve(options.cwd ?? '.', file), findings)
  const root = text === undefined ? undefined : rootMap(text, findings)
  if (root === undefined) return { findings }
  interpolate(root, env, findings, options)
  return { tree: translateLegacy(root, findings), findings }
}

function rootMap(text: string, findings: Findings): MapNode | undefined {
  const root = readYaml(text, findings)
  if (root === undefined || root.kind === 'map') return root
  const what = root.kind === 'list' ? 'a list' : 'a single value'
  findings.error(
    root.at,
    '',
    `the file must be a map at its top, not ${what}`,
    'start with mqtts:, rules: and funcs:',
  )
  return undefined
}

function readText(file: string, absolute: string, findings: Findings): string | undefined {
  const whole = { line: 0, column: 0 }
  let bytes: Buffer
  try {
    const status = statSync(absolute)
    if (status.isDirectory()) {
      findings.error(whole, '', 'this is a folder, not a file', 'name the YAML file in it')
      return undefined
    }
    if (status.size > fileBytesMax) {
      const message = `the file is ${status.size} bytes, more than ${fileBytesMax}`
      findings.error(whole, '', message, 'is this the right file?')
      return undefined
    }
    bytes = readFileSync(absolute)
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new EdgebootError('CONFIG_NOT_FOUND', `there is no file ${file}`, {
        cause: thrown,
        details: { where: file },
      })
    }
    findings.error(whole, '', `the file cannot be read: ${code}`, 'check who may read it')
    return undefined
  }
  return decodeText(bytes, findings)
}

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { describeFinding, type Finding } from '../../../src/config/finding.ts'
import { inspectConfig, loadSettings, type LoadedSettings } from '../../../src/config/load.ts'
import type { Settings } from '../../../src/config/settings.ts'

/** A folder for the files of one test file, removed after its tests. */
export const folder = mkdtempSync(join(tmpdir(), 'edgeboot-config-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Folder of the configurations that are kept as files. */
export const fixtures = join(import.meta.dirname, '../../fixtures/config')

/** The five configurations of pyboot as they were found. */
export const seeds = ['v0', 'v1', 'v1-expose', 'v2', 'v3'] as const

type Env = Readonly<Record<string, string | undefined>>

export function writeConfig(content: string | Uint8Array, name = 'c.yaml'): string {
  writeFileSync(join(folder, name), content)
  return name
}

export function load(content: string, env: Env = {}): LoadedSettings {
  return loadSettings(writeConfig(content), { env, cwd: folder })
}

export function settingsOf(content: string, env: Env = {}): Settings {
  return load(content, env).settings
}

function findingsOf(content: string | Uint8Array, env: Env = {}): readonly Finding[] {
  return inspectConfig(writeConfig(content), { env, cwd: folder }).findings
}

/** The mistakes as they are printed. */
export function mistakesIn(content: string | Uint8Array, env: Env = {}): string[] {
  return findingsOf(content, env)
    .filter((finding) => finding.severity === 'error')
    .map(describeFinding)
}

/** The warnings as they are printed. */
export function warningsIn(content: string, env: Env = {}): string[] {
  return findingsOf(content, env)
    .filter((finding) => finding.severity === 'warning')
    .map(describeFinding)
}

/** A valid configuration, a part of which a test replaces. */
export function config(
  parts: {
    mqtt?: string
    sub?: string
    pub?: string
    rule?: string
    func?: string
    rest?: string
  } = {},
): string {
  return [
    'mqtts:',
    `  - { name: plant, broker: 'tcp://127.0.0.1:1883'${parts.mqtt ?? ''} }`,
    'rules:',
    '  - name: r',
    `    sub: { name: plant, topic: in/+${parts.sub ?? ''} }`,
    `    pub: { name: plant, topic: out${parts.pub ?? ''} }`,
    ...(parts.rule === undefined ? [] : [`    ${parts.rule}`]),
    'funcs:',
    '  - modelName: m',
    ...(parts.func === undefined ? [] : [`    ${parts.func}`]),
    ...(parts.rest === undefined ? [] : [parts.rest]),
    '',
  ].join('\n')
}

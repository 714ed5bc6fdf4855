import { modelNameFault } from '../../core/model-name.ts'
import { formatsOf, possibleKinds } from '../../core/model-kinds.ts'
import {
  formatPath,
  keyPositionAt,
  nodeAt,
  placeInside,
  positionAt,
  type ConfigPath,
  type MapNode,
} from '../config-node.ts'
import type { Findings } from '../finding.ts'
import type { NativeManifest } from './manifest-schema.ts'

/** https://semver.org, 2.0.0: its own expression. */
const semanticVersion =
  /^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*))*)?(?:\+[\da-zA-Z-]+(?:\.[\da-zA-Z-]+)*)?$/

/**
 * Variables that decide which code is loaded: a package without code must not get any by them. `HOME`
 * leads Python to a `usercustomize.py`, a warning of `antigravity` to `BROWSER`.
 */
const loaderVariable =
  /^(?:PATH|HOME|BASH_ENV|ENV|BROWSER|GCONV_PATH|(?:PYTHON(?!UNBUFFERED|HASHSEED|IOENCODING|UTF8|DONTWRITEBYTECODE|FAULTHANDLER|OPTIMIZE|MALLOC)|NODE_|OPENSSL_|LD_|DYLD_|EDGEBOOT_).*)$/i

/** A manifest that fits the schema, where its mistakes are told. */
export class ManifestCheck {
  readonly root: MapNode
  readonly #findings: Findings

  constructor(root: MapNode, findings: Findings) {
    this.root = root
    this.#findings = findings
  }

  error(path: ConfigPath, message: string, suggestion?: string): void {
    this.#findings.error(positionAt(this.root, path), formatPath(path), message, suggestion)
  }

  /** A mistake at a character inside of a text. */
  errorInside(path: ConfigPath, offset: number, message: string, suggestion?: string): void {
    const node = nodeAt(this.root, path)
    const at = node?.kind === 'scalar' ? placeInside(node, offset) : positionAt(this.root, path)
    this.#findings.error(at, formatPath(path), message, suggestion)
  }

  errorAtKey(path: ConfigPath, key: string, message: string, suggestion?: string): void {
    const at = keyPositionAt(this.root, path, key)
    this.#findings.error(at, formatPath([...path, key]), message, suggestion)
  }
}

/** Checks all of a manifest but its inputs and outputs. */
export function checkHead(manifest: NativeManifest, check: ManifestCheck): void {
  const { name, version, entry, python, tests } = manifest
  const fault = name === undefined ? undefined : modelNameFault(name)
  if (fault !== undefined) check.error(['name'], `name ${JSON.stringify(name)} ${fault}`)
  if (version !== undefined && !semanticVersion.test(version)) {
    check.error(
      ['version'],
      `version ${JSON.stringify(version)} is no semantic version`,
      suggestedVersion(version),
    )
  }
  if (entry !== undefined) checkInside(entry, ['entry'], check)
  if (python !== undefined && python.includes('/') && !python.startsWith('/')) {
    checkInside(python, ['python'], check)
  }
  checkTests(tests, check)
  checkKind(manifest, check)
  checkEnvironment(manifest.env ?? {}, check)
}

/** What most probably was meant: a `v` in front, or a part that is missing. */
function suggestedVersion(version: string): string {
  const parts = /^[vV=\s]*(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?\s*$/.exec(version)
  if (parts === null) return 'three numbers, such as 1.4.0 or 2.0.0-rc.1'
  const [, major, minor = '0', patch = '0'] = parts
  return `write ${[major, minor, patch].map(Number).join('.')}`
}

function checkTests(tests: NativeManifest['tests'], check: ManifestCheck): void {
  const all = typeof tests === 'string' ? [tests] : (tests ?? [])
  all.forEach((pattern, at) => {
    const path = typeof tests === 'string' ? ['tests'] : ['tests', at]
    if (!checkInside(pattern, path, check)) return
    const slash = pattern.lastIndexOf('/')
    if (pattern.slice(0, Math.max(slash, 0)).includes('*')) {
      check.error(path, '* may stand in the last part of a path alone', 'such as tests/*.json')
    }
  })
}

/** Whether a path stays inside of the package; tells if not. */
function checkInside(path: string, at: ConfigPath, check: ManifestCheck): boolean {
  const fault = outsideFault(path)
  if (fault === undefined) return true
  const name = String(at.find((step) => typeof step === 'string'))
  check.error(at, `${name} ${JSON.stringify(path)} ${fault}`, 'a path relative to the package')
  return false
}

function outsideFault(path: string): string | undefined {
  if (path.startsWith('/') || /^[a-z]:/i.test(path)) return 'is an absolute path'
  if (path.includes('\\')) return 'has a backslash'
  if (/\p{Cc}/u.test(path) || !path.isWellFormed()) return 'has a character that no path has'
  return path.split('/').includes('..') ? 'leads out of the package' : undefined
}

/** Runtime, format and the end of the name of the entry say the same, as far as they say anything. */
function checkKind(manifest: NativeManifest, check: ManifestCheck): void {
  const { runtime, format, entry, args } = manifest
  const isProgram = runtime === 'exec' || format === 'program'
  if (isProgram && entry === undefined) {
    const key = runtime === 'exec' ? 'runtime' : 'format'
    check.errorAtKey([], key, 'a program needs entry', 'add entry: with the program in the package')
  }
  if (args !== undefined && !isProgram) {
    check.errorAtKey([], 'args', 'args are for runtime: exec alone')
  }
  if (possibleKinds({ runtime, format, entry }).length > 0) return
  if (runtime !== undefined && possibleKinds({ runtime, format }).length === 0) {
    const message = `the runtime ${runtime} takes no format ${format}`
    check.error(['format'], message, `it takes ${formatsOf[runtime].join(', ')}`)
    return
  }
  const contradicted = [
    ...(runtime === undefined ? [] : [`runtime: ${runtime}`]),
    ...(format === undefined ? [] : [`format: ${format}`]),
  ].join(', ')
  const [kind] = possibleKinds({ entry })
  const told = kind === undefined ? '' : `: by its name it is for the runtime ${kind.runtime}`
  check.error(['entry'], `entry ${JSON.stringify(entry)} contradicts ${contradicted}${told}`)
}

function checkEnvironment(env: Readonly<Record<string, string>>, check: ManifestCheck): void {
  for (const [name, value] of Object.entries(env)) {
    const shown = JSON.stringify(name)
    if (!/^[A-Za-z_]\w*$/.test(name)) {
      check.errorAtKey(['env'], name, `${shown} is no name of a variable`)
    } else if (loaderVariable.test(name)) {
      const message = `a model must not set ${name}, which decides what code is loaded`
      check.errorAtKey(['env'], name, message, 'whoever runs it may, with env of the func')
    } else if (value.includes('\0')) {
      check.error(['env', name], `the value of ${name} has a NUL`)
    }
  }
}

import {
  formatPath,
  keyPositionAt,
  nodeAt,
  placeInside,
  positionAt,
  type ConfigPath,
  type MapNode,
} from './config-node.ts'
import type { Findings, Position } from './finding.ts'
import type { Environment } from './interpolate.ts'
import type { NativeConfig } from './schema.ts'

/** What a plan needs to know of the world, given to it so that it does no I/O of its own. */
export interface PlanSurroundings {
  /** Absolute path of the file. */
  readonly file: string
  readonly env: Environment
  readonly cwd: string
  /** Goes into client ids that are not configured, to tell installations on one broker apart. */
  readonly instance: string
  /** The same for brokers that keep a session: stays when the host name changes. Throws an `Error` that says why it cannot. */
  readonly readIdentity: (stateFolder: string) => string
  /** Overrides `models.folder` and its defaults. */
  readonly modelsFolder: string | undefined
  /** Overrides `stateFolder` and its default. */
  readonly stateFolder: string | undefined
  /** Reads a secret from an absolute path; throws when it cannot. */
  readonly readSecret: (path: string) => string
}

/** A configuration that fits the schema, on its way to settings. */
export class PlanContext {
  readonly config: NativeConfig
  readonly findings: Findings
  readonly surroundings: PlanSurroundings
  readonly root: MapNode
  /** Names that exist, also those of entries that were taken out as faulty. */
  readonly known: { readonly brokers: readonly string[]; readonly funcs: readonly string[] }

  constructor(parts: {
    config: NativeConfig
    root: MapNode
    findings: Findings
    surroundings: PlanSurroundings
    known: { brokers: readonly string[]; funcs: readonly string[] }
  }) {
    this.config = parts.config
    this.root = parts.root
    this.findings = parts.findings
    this.surroundings = parts.surroundings
    this.known = parts.known
  }

  at(path: ConfigPath): Position {
    return positionAt(this.root, path)
  }

  error(path: ConfigPath, message: string, suggestion?: string): void {
    this.findings.error(this.at(path), formatPath(path), message, suggestion)
  }

  warning(path: ConfigPath, message: string, suggestion?: string): void {
    this.findings.warning(this.at(path), formatPath(path), message, suggestion)
  }

  /** A mistake at a character inside of a text. */
  errorInside(path: ConfigPath, offset: number, message: string, suggestion?: string): void {
    const node = nodeAt(this.root, path)
    const at = node?.kind === 'scalar' ? placeInside(node, offset) : this.at(path)
    this.findings.error(at, formatPath(path), message, suggestion)
  }

  /** A warning at the key rather than at its value. */
  warningAtKey(path: ConfigPath, key: string, message: string, suggestion?: string): void {
    const at = keyPositionAt(this.root, path, key)
    this.findings.warning(at, formatPath([...path, key]), message, suggestion)
  }
}

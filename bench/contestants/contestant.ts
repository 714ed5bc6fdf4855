/** What is measured: a way from a message to its result, in a process of its own. */

/** A contestant in the field. */
export interface Contestant {
  /** Unique; such as `qos1`, or `qos1@baseline` when several checkouts are measured. */
  readonly name: string
  /** With which it subscribes and publishes. */
  readonly qos: 0 | 1
  /** The name of the contestant that this one is held against. */
  readonly reference: string
  /**
   * Starts it, ready to take messages: its subscription stands.
   *
   * @param folder - Empty, for its files; deleted afterwards.
   */
  start(port: number, folder: string, signal: AbortSignal): Promise<RunningContestant>
}

/** A contestant that takes messages. */
export interface RunningContestant extends AsyncDisposable {
  /** The process whose CPU counts. */
  readonly pid: number
  /** A process that looks after it; told, not counted. */
  readonly mainPid?: number
}

import type { ConnectionState } from '../transport/transport.ts'

/** How one end of a pipeline fares, and how often it was connected. */
export class ConnectionRecord {
  #state: ConnectionState = { status: 'connecting', reason: 'not started' }
  #connections = 0

  /** After every change. */
  note(state: ConnectionState): void {
    this.#state = state
    if (state.status === 'connected') this.#connections += 1
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** Connections beyond the first. */
  get reconnects(): number {
    return Math.max(this.#connections - 1, 0)
  }
}

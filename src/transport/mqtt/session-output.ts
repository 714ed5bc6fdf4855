/** What a session machine does to the world: bytes to a transport, and one way to put off work. */
export interface SessionOutput {
  /**
   * Writes pieces that belong together, in order.
   *
   * @param taken - Called later, never before `write` returns, when the operating system has them
   * all. Not called when the transport breaks first.
   */
  write(pieces: readonly Uint8Array[], taken: () => void): void
  /** Runs `task` at the end of this turn of the event loop, after what has come in was read. */
  defer(task: () => void): void
  /** Stops and starts handing in what comes; a piece more may still come. Idempotent. */
  stopReading(): void
  startReading(): void
  /**
   * Sends what is written and closes, forcibly after `deadlineMs`. What still comes in is thrown
   * away, because unread bytes make the kernel reset a connection, and with it our last packets.
   * Never rejects.
   */
  end(deadlineMs: number): Promise<void>
  /** Closes at once. */
  destroy(): void
}

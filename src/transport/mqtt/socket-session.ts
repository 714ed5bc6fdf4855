import type { Duplex } from 'node:stream'
import type { Clock } from '../../core/clock.ts'
import { openBrokerSocket } from './broker-socket.ts'
import type { OpenSession } from './mqtt-session.ts'
import { ReadPacer, readPauseMs } from './read-pacer.ts'
import { SessionMachine } from './session-machine.ts'
import type { SessionOutput } from './session-output.ts'

/** Opens a session over TCP, TLS or WebSocket, as the address says. */
export const openSocketSession: OpenSession = (options, listener) => {
  const stream = openBrokerSocket(options.address, options.tls)
  const output = new StreamOutput(stream, options.clock)
  const machine = new SessionMachine(options, listener, output)
  let failure: Error | undefined
  stream.on('data', (chunk: Buffer) => {
    output.pace(chunk.length)
    machine.receive(chunk)
  })
  // The first one is the true one.
  stream.on('error', (error) => (failure ??= error))
  stream.once('close', () => machine.transportEnded(failure))
  machine.open()
  return machine
}

/** A stream as a session machine wants it, read at a pace that costs least. */
class StreamOutput implements SessionOutput {
  readonly #stream: Duplex
  readonly #clock: Clock
  readonly #pacer = new ReadPacer()
  /** The machine wants nothing now. */
  #isStopped = false
  #isPausing = false
  #bytesOfTurn = 0
  #hasEnded = false

  constructor(stream: Duplex, clock: Clock) {
    this.#stream = stream
    this.#clock = clock
  }

  write(pieces: readonly Uint8Array[], taken: () => void): void {
    const stream = this.#stream
    const last = pieces.length - 1
    // Several pieces go in one system call all the same.
    if (last > 0) stream.cork()
    for (let i = 0; i < last; i++) stream.write(pieces[i])
    // When this fails the stream closes, which is told elsewhere.
    stream.write(pieces[last], (error) => {
      if (!error) taken()
    })
    if (last > 0) stream.uncork()
  }

  defer(task: () => void): void {
    setImmediate(task)
  }

  /**
   * Bytes were read. At the end of this turn, when all that was there has been taken, reading stops
   * for a moment if that saves work.
   */
  pace(bytes: number): void {
    if (this.#bytesOfTurn === 0) setImmediate(this.#endTurn)
    this.#bytesOfTurn += bytes
  }

  readonly #endTurn = (): void => {
    const bytes = this.#bytesOfTurn
    this.#bytesOfTurn = 0
    if (this.#isPausing || !this.#pacer.read(this.#clock.monotonic(), bytes)) return
    this.#isPausing = true
    this.#steer()
    this.#clock.after(readPauseMs, () => {
      this.#isPausing = false
      this.#pacer.resumed(this.#clock.monotonic())
      this.#steer()
    })
  }

  stopReading(): void {
    this.#isStopped = true
    this.#steer()
  }

  startReading(): void {
    this.#isStopped = false
    this.#steer()
  }

  #steer(): void {
    if (this.#isStopped || (this.#isPausing && !this.#hasEnded)) this.#stream.pause()
    else this.#stream.resume()
  }

  end(deadlineMs: number): Promise<void> {
    this.#hasEnded = true
    const stream = this.#stream
    if (stream.closed) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = this.#clock.after(deadlineMs, () => stream.destroy(), { keepAlive: true })
      stream.once('close', () => {
        timer.cancel()
        resolve()
      })
      stream.resume()
      stream.end()
    })
  }

  destroy(): void {
    this.#stream.destroy()
  }
}

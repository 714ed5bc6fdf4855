import type { AckToken, SinkListener, SourceMessage } from '../transport/transport.ts'
import { AckWindow } from './ack-window.ts'
import { Flights } from './flights.ts'
import type { Ledger } from './ledger.ts'
import type { Recorder } from './recorder.ts'
import { Suspects } from './suspects.ts'
import type { Task } from './task.ts'

/** What the record keeper needs from around it. */
export interface RecordKeeperParts {
  readonly recorder: Recorder | undefined
  readonly ledger: Ledger
  /** A runner that dies may take the host along. */
  readonly sharesHost: boolean
  readonly identify: (message: SourceMessage, device: string | undefined) => string
  readonly acknowledge: (token: AckToken) => void
  /** Runs a function at the end of this turn of the event loop. */
  readonly defer: (run: () => void) => void
}

/**
 * Sees to it that what outlives the host is on record in time: counts before the acknowledgements
 * of what they count, once for everything that happens in a turn of the event loop, and whoever
 * may kill the host before it gets the chance. Without a recorder acknowledgements alone are left.
 */
export class RecordKeeper {
  readonly #parts: RecordKeeperParts
  readonly window: AckWindow
  readonly suspects: Suspects
  readonly flights: Flights | undefined
  /** Names the result of an event, the same when its message comes again. Hashed once. */
  readonly idOf: (task: Task) => string
  /** What a sink tells of its disk is counted, and on record soon. */
  readonly disk: Pick<SinkListener, 'recovered' | 'forwarded' | 'discarded'>
  #isDue = false

  constructor(parts: RecordKeeperParts) {
    const { recorder, identify, ledger } = parts
    this.#parts = parts
    const soon = (): void => this.soon()
    const idOf = (task: Task): string => (task.id ??= identify(task.origin.message, task.device))
    this.idOf = idOf
    this.window = new AckWindow(parts.acknowledge, soon)
    this.suspects = new Suspects({ recorder, idOf, changed: soon })
    if (recorder !== undefined && parts.sharesHost) {
      this.flights = new Flights({ recorder, idOf, landed: soon })
    }
    this.disk = {
      recovered: (results) => {
        ledger.recovered(results)
        soon()
      },
      forwarded: (bytes) => {
        ledger.forwarded(bytes)
        soon()
      },
      discarded: (reason, results) => {
        ledger.discarded(reason, results)
        soon()
      },
    }
  }

  /** Begins the records of this host with what the one before has left. */
  open(): void {
    this.suspects.load(this.#parts.recorder?.open() ?? [])
  }

  /** Something changed: it is on record at the end of this turn. */
  soon(): void {
    if (this.#isDue) return
    this.#isDue = true
    this.#parts.defer(() => this.flush())
  }

  /** Records now, and lets the acknowledgements go that have waited for it. */
  flush(): void {
    this.#isDue = false
    this.suspects.record()
    this.flights?.record()
    this.books()
    this.window.release()
  }

  /** Records the counts alone. */
  books(): void {
    this.#parts.recorder?.books(this.#parts.ledger)
  }

  /** Ends the records in order: no message is to blame for the end of this host. */
  close(): void {
    this.#parts.recorder?.close()
  }
}

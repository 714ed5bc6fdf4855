/** Repeats its event; when that asks for it, its thread ends soon after, out of the blue. */

/** Such as `{"n":1,"die":true}`. */
export interface MortalEvent {
  readonly die?: boolean
}

/** Longer than the answer takes to leave the thread. */
const lastMs = 10

/** Repeats the event. */
export function handler(event: MortalEvent): MortalEvent {
  if (event.die) setTimeout(() => process.exit(1), lastMs)
  return event
}

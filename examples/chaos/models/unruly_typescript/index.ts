/** Answers every event, unless the event asks it to misbehave. */
interface Telemetry {
  readonly deviceInfo: { readonly deviceName: string }
  readonly telemetry: Readonly<Record<string, number>>
  readonly misbehave?: 'raise' | 'exit' | 'abort' | 'sleep' | 'hang'
}

const nobody = new Int32Array(new SharedArrayBuffer(4))

export function handler(event: Telemetry) {
  const { misbehave } = event
  if (misbehave === 'raise') throw new RangeError('the event asked for it')
  if (misbehave === 'exit') process.exit(3)
  // A thread cannot abort; a signal to itself takes the whole host along, as native code would.
  if (misbehave === 'abort') process.kill(process.pid, 'SIGSEGV')
  if (misbehave === 'sleep') Atomics.wait(nobody, 0, 0, 300)
  if (misbehave === 'hang') spin()
  return { device: event.deviceInfo.deviceName, value: event.telemetry['OPC温度'] }
}

/** Comes back no more. */
function spin(): never {
  for (;;) {
    // Until it is killed.
  }
}

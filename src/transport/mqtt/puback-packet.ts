/**
 * How many bytes a PUBACK takes that says success: packet id and no reason code, in both versions
 * (MQTT 5.0, 3.4.2.1; MQTT 3.1.1, 3.4).
 */
export const pubackBytes = 4

/** Writes a PUBACK, and returns the offset behind it. */
export function writePuback(target: Buffer, start: number, id: number): number {
  target[start] = 0x40
  target[start + 1] = 2
  target[start + 2] = id >> 8
  target[start + 3] = id & 255
  return start + pubackBytes
}

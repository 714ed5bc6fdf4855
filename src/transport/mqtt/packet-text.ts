import { isUtf8 } from 'node:buffer'
import { malformed } from './packet-error.ts'

/**
 * Reads a UTF-8 Encoded String without its length.
 *
 * @param packet - The packet and, as `what`, the part of it, for the error.
 * @throws MqttPacketError when it is not UTF-8 or holds U+0000 (MQTT 5.0, 1.5.4; MQTT 3.1.1, 1.5.3).
 */
export function readText(
  bytes: Buffer,
  start: number,
  end: number,
  packet: string,
  what: string,
): string {
  let isAscii = true
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0
    if (byte === 0) throw malformed(packet, `${what} holds U+0000`)
    if (byte > 127) isAscii = false
  }
  // Plain names are by far the most, and read faster as such.
  if (isAscii) return bytes.toString('latin1', start, end)
  if (!isUtf8(bytes.subarray(start, end))) throw malformed(packet, `${what} is not UTF-8`)
  return bytes.toString('utf8', start, end)
}

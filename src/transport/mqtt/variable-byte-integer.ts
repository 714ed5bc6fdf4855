/** The largest number that a Variable Byte Integer can hold in its four bytes (MQTT 5.0, 1.5.5). */
export const variableByteIntegerMax = 268_435_455

/** How many bytes a number takes as a Variable Byte Integer. */
export function variableByteIntegerBytes(value: number): number {
  if (value < 128) return 1
  if (value < 16_384) return 2
  return value < 2_097_152 ? 3 : 4
}

/** Writes one, and returns the offset behind it. */
export function writeVariableByteInteger(target: Buffer, start: number, value: number): number {
  let offset = start
  let rest = value
  while (rest > 127) {
    offset = target.writeUInt8((rest & 127) | 128, offset)
    rest >>>= 7
  }
  return target.writeUInt8(rest, offset)
}

/**
 * The messages that go through the contestants: pyboot's shape, about 250 bytes of JSON, one
 * topic per device. All have the same length and the same places, so that the load generator
 * patches bytes instead of writing JSON, and the counter reads a result without parsing it.
 */

/** Devices that report in turn. */
export const deviceCount = 20

/** What contestants subscribe to. The device is the level at index 1. */
export const inputFilter = 'bench/+/telemetry'
/** What the counter subscribes to. */
export const resultFilter = 'bench/+/result'

/** The topic on which a contestant publishes the result of a message. */
export function resultTopic(inputTopic: string): string {
  return `bench/${inputTopic.split('/')[1]}/result`
}

/** Serial numbers have nine digits, and the first is this. The device is the remainder by `deviceCount`. */
export const firstSerial = 100_000_000
const serialDigits = 9
/** Milliseconds since 1970 have as many digits until the year 2286. */
const timeDigits = 13

/** A message of each device, with its serial number and time to be filled in. */
export interface MessageTemplate {
  readonly topic: string
  readonly payload: Buffer
}

/** Templates by device. */
export const templates: readonly MessageTemplate[] = Array.from(
  { length: deviceCount },
  (_, device) => {
    const name = String(device).padStart(2, '0')
    const payload = JSON.stringify({
      deviceInfo: {
        deviceName: `设备${name}`,
        edgeDeviceName: '设备three',
        topic: 'GG2',
        edgeCalculation: false,
        encryption: false,
        compression: false,
      },
      telemetry: {
        ts: 10 ** (timeDigits - 1),
        serial: firstSerial,
        OPC温度: 60 + device,
        OPC湿度: '86',
        OPC电量: true,
      },
    })
    return { topic: `bench/device-${name}/telemetry`, payload: Buffer.from(payload) }
  },
)

const sample = templates[0]?.payload ?? Buffer.alloc(0)
/** Where the digits of the time begin in the payload of a message, and in that of its result. */
const timeAt = sample.indexOf('"ts":') + '"ts":'.length
/** Where those of the serial number begin. */
const serialAt = sample.indexOf('"serial":') + '"serial":'.length

/**
 * Writes serial number and time into a message.
 *
 * @param payloadAt - Where its payload begins.
 * @param now - Milliseconds since 1970.
 */
export function stamp(target: Buffer, payloadAt: number, serial: number, now: number): void {
  writeDigits(target, payloadAt + serialAt, serialDigits, serial)
  writeDigits(target, payloadAt + timeAt, timeDigits, now)
}

/** @returns The serial number of a result; NaN when there is none in its place. */
export function serialOf(packet: Buffer, payloadAt: number): number {
  return readDigits(packet, payloadAt + serialAt, serialDigits)
}

/** @returns The time of the message of a result, milliseconds since 1970. */
export function timeOf(packet: Buffer, payloadAt: number): number {
  return readDigits(packet, payloadAt + timeAt, timeDigits)
}

const zero = 0x30

function writeDigits(target: Buffer, at: number, digits: number, value: number): void {
  let rest = value
  for (let i = at + digits - 1; i >= at; i--) {
    target[i] = zero + (rest % 10)
    rest = Math.floor(rest / 10)
  }
}

function readDigits(source: Buffer, at: number, digits: number): number {
  let value = 0
  for (let i = at; i < at + digits; i++) value = value * 10 + ((source[i] ?? NaN) - zero)
  return value
}

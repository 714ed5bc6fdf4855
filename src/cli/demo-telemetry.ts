/** Points of one simulated device, in the shape of pyboot's sample messages. */
export interface DemoMessage {
  readonly device: string
  readonly topic: string
  readonly payload: string
}

const devices = ['设备1', '设备2', '设备3', 'device1-1'] as const
/** Values that the trend window holds. */
const windowLength = 5

/**
 * Telemetry of a small plant: four devices in turn, each with a temperature that swings around
 * 70 and passes 80 at its peaks. The same numbers for the same `serial` and time.
 *
 * @param serial - Number of the message; chooses the device.
 * @param now - Milliseconds since 1970, for the stamps.
 */
export function demoMessage(serial: number, now: number): DemoMessage {
  const index = serial % devices.length
  const device = devices[index] as (typeof devices)[number]
  const step = Math.floor(serial / devices.length)
  const window = Array.from({ length: windowLength }, (_, age) => {
    const before = windowLength - age
    return [now - before * 1000, temperature(step - before, index)]
  })
  const payload = JSON.stringify({
    deviceInfo: {
      deviceName: device,
      edgeDeviceName: '设备three',
      topic: 'GG2',
      edgeCalculation: false,
      encryption: false,
      compression: false,
    },
    telemetry: {
      ts: now,
      RC_cylinder1_1P_d_dispPeak: 86,
      OPC温度: temperature(step, index),
      OPC湿度: '86',
      OPC电量: true,
    },
    model_data: { window: 'short', trend_model_data: window },
  })
  return { device, topic: `plant/${device}/telemetry`, payload }
}

function temperature(step: number, phase: number): number {
  return Math.round((70 + 15 * Math.sin(step / 40 + phase)) * 100) / 100
}

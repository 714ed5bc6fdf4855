/** Raises an alarm while a point is above its limit; says nothing otherwise. */
import { defineModel } from 'edgeboot'

interface Telemetry {
  readonly deviceInfo: { readonly deviceName: string }
  readonly telemetry: Readonly<Record<string, number>>
}

export default defineModel({
  handler(event: Telemetry, context) {
    const { point, limit } = context.params as { point: string; limit: number }
    const value = event.telemetry[point]
    if (value === undefined || value <= limit) return null
    return { device: event.deviceInfo.deviceName, point, value, limit, ts: event.telemetry['ts'] }
  },
})

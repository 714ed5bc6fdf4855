/**
 * The model of every contestant: reads one point, adds one field, answers with the event. It costs
 * next to nothing, so that what is measured is the way to it and back.
 */

/** As much of an event as the model looks at. */
export interface VerdictEvent {
  readonly telemetry: { readonly OPC温度: number }
}

/** Says of an event whether its temperature is above 80. */
export function handler<Event extends VerdictEvent>(event: Event): Event & { alarm: boolean } {
  return Object.assign(event, { alarm: event.telemetry.OPC温度 > 80 })
}

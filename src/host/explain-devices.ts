import { explainCondition, type ConditionFinding } from '../config/explain-condition.ts'
import { shownText } from '../config/shown-value.ts'
import type { AttributeSettings, DeviceSettings, PipelineSettings } from '../config/settings.ts'
import { telemetryOf } from '../pipeline/match.ts'
import type { ExplainStep } from './explanation.ts'

/** Device entries that are told of; of the others only the number. */
const entriesMax = 20
/** Of a condition as written; the file has the rest. */
const conditionCharsMax = 300

/** What the device entries and `when` of a func say of a message. */
export interface DeviceSteps {
  /** Those that fit first, then those that came closest. */
  readonly steps: readonly ExplainStep[]
  readonly entriesLeftOut: number
}

/**
 * Says of each device entry why it fits or which attribute does not hold, and of `when` for each
 * entry that fits. The same conditions as `matchEvent` asks, asked for people.
 */
export function explainDevices(
  { devices, when }: Pick<PipelineSettings, 'devices' | 'when'>,
  event: unknown,
  topic: string,
): DeviceSteps {
  const telemetry = telemetryOf(event)
  const scope = (device: string): Scope => ({ event, telemetry, device, topic })
  if (devices.length === 0) {
    const text = 'the func names no devices: it is for every message'
    const any: ExplainStep = { step: 'device', passed: true, text }
    return { steps: [any, ...whenSteps(when, undefined, scope(''))], entriesLeftOut: 0 }
  }
  const entries = devices.map((device) => judge(device, scope(device.name)))
  const fitting = entries.filter(({ step }) => step.passed)
  // What came closest is what was meant.
  const failing = entries.filter(({ step }) => !step.passed).sort((a, b) => b.held - a.held)
  const told = failing.slice(0, Math.max(entriesMax - fitting.length, 0))
  const steps = fitting
    .slice(0, entriesMax)
    .flatMap(({ step, device }) => [step, ...whenSteps(when, device, scope(device))])
  return {
    steps: [...steps, ...told.map(({ step }) => step)],
    entriesLeftOut: failing.length - told.length + Math.max(fitting.length - entriesMax, 0),
  }
}

interface Scope {
  readonly event: unknown
  readonly telemetry: unknown
  readonly device: string
  readonly topic: string
}

interface Entry {
  readonly device: string
  readonly step: ExplainStep
  /** Attributes before the one that does not hold. */
  readonly held: number
}

function judge({ name, attributes }: DeviceSettings, scope: Scope): Entry {
  for (const [held, attribute] of attributes.entries()) {
    const miss = missOf(attribute, scope)
    if (miss !== undefined) {
      const { found, ...values } = miss
      const text = `${shownName(name)}: ${shownName(miss.attribute)}: ${found}`
      return {
        device: name,
        held,
        step: { step: 'device', passed: false, device: name, ...values, text },
      }
    }
  }
  const labels = attributes.map((attribute) => labelOf(attribute)).join(', ')
  const why = labels === '' ? 'an entry without a condition fits every message' : labels
  const text = `${shownName(name)}: ${why}`
  return {
    device: name,
    held: attributes.length,
    step: { step: 'device', passed: true, device: name, text },
  }
}

interface AttributeMiss extends ConditionFinding {
  readonly attribute: string
  readonly condition?: string
}

function missOf(attribute: AttributeSettings, scope: Scope): AttributeMiss | undefined {
  const { name, expression, written } = attribute
  // pyboot's attributes one by one: what the file says of the one that fails is what helps.
  for (const part of written ?? []) {
    const finding = explainCondition(part.expression, scope)
    if (finding !== undefined) {
      return { attribute: part.name, condition: cutCondition(part.text), ...finding }
    }
  }
  const finding = explainCondition(expression, scope)
  if (finding === undefined) return undefined
  // What `deviceName` and `pointName` stand for is no text of the file.
  const condition = name === 'when' ? { condition: cutCondition(expression) } : {}
  return { attribute: name, ...condition, ...finding }
}

function whenSteps(
  when: string | undefined,
  device: string | undefined,
  scope: Scope,
): ExplainStep[] {
  if (when === undefined) return []
  const finding = explainCondition(when, scope)
  const subject = device === undefined ? '' : `${shownName(device)}: `
  const about = { condition: cutCondition(when), ...(device === undefined ? {} : { device }) }
  if (finding === undefined) {
    return [{ step: 'when', passed: true, text: `${subject}${about.condition} holds`, ...about }]
  }
  const { found, ...values } = finding
  return [{ step: 'when', passed: false, text: `${subject}${found}`, ...about, ...values }]
}

/** Of an attribute that holds. */
function labelOf({ name, value, written }: AttributeSettings): string {
  const names = written?.map((part) => shownName(part.name)) ?? []
  if (name === 'when') return `${names.join(', ') || name} holds`
  return `${names[0] ?? name} ${shownText(value)}`
}

function shownName(device: string): string {
  return shownText(device).slice(1, -1)
}

function cutCondition(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length > conditionCharsMax ? `${line.slice(0, conditionCharsMax)}…` : line
}

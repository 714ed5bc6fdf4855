import type { PredicateInput } from '../config/cel.ts'
import { explainCondition, type ConditionFinding } from '../config/explain-condition.ts'
import { shownText } from '../config/shown-value.ts'
import type { AttributeSettings, DeviceSettings, PipelineSettings } from '../config/settings.ts'
import { telemetryOf, type Matcher } from '../pipeline/match.ts'
import type { ExplainStep } from './explanation.ts'

/** Device entries that are told of, fitting ones first; of the others only the number. */
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
 * entry that fits. The matcher decides, as it does for real messages; only what is told of is
 * looked into.
 *
 * @param matcher - Compiled from the same settings.
 */
export function explainDevices(
  { devices, when }: Pick<PipelineSettings, 'devices' | 'when'>,
  matcher: Matcher,
  event: unknown,
  topic: string,
): DeviceSteps {
  const telemetry = telemetryOf(event)
  const scopeOf = (device: string): PredicateInput => ({ event, telemetry, device, topic })
  if (devices.length === 0) {
    const text = 'the func names no devices: it is for every message'
    const any: ExplainStep = { step: 'device', passed: true, text }
    return { steps: [any, ...whenSteps(when, undefined, scopeOf(''))], entriesLeftOut: 0 }
  }
  const entries = devices.map((device, index) => {
    const attributes = matcher.devices[index]?.attributes ?? []
    const scope = scopeOf(device.name)
    return { device, scope, failsAt: attributes.findIndex(({ holds }) => !holds(scope).ok) }
  })
  const fitting = entries.filter(({ failsAt }) => failsAt < 0)
  // What came closest is what was meant.
  const failing = entries
    .filter(({ failsAt }) => failsAt >= 0)
    .sort((one, other) => other.failsAt - one.failsAt)
  const told = [...fitting, ...failing].slice(0, entriesMax)
  const steps = told.flatMap(({ device, scope, failsAt }) => {
    const attribute = device.attributes[failsAt]
    return attribute === undefined
      ? [fittingStep(device), ...whenSteps(when, device.name, scope)]
      : [failingStep(device, attribute, scope)]
  })
  return { steps, entriesLeftOut: entries.length - told.length }
}

function fittingStep({ name, attributes }: DeviceSettings): ExplainStep {
  const labels = attributes.map(labelOf).join(', ')
  const why = labels === '' ? 'an entry without a condition fits every message' : labels
  return { step: 'device', passed: true, device: name, text: `${shownName(name)}: ${why}` }
}

function failingStep(
  { name }: DeviceSettings,
  attribute: AttributeSettings,
  scope: PredicateInput,
): ExplainStep {
  const { found, ...facts } = missOf(attribute, scope)
  const text = `${shownName(name)}: ${shownName(facts.attribute)}: ${found}`
  return { step: 'device', passed: false, device: name, ...facts, text }
}

interface AttributeMiss extends ConditionFinding {
  readonly attribute: string
  readonly condition?: string
}

function missOf(attribute: AttributeSettings, scope: PredicateInput): AttributeMiss {
  const { name, expression, written } = attribute
  // pyboot's attributes one by one: what the file says of the one that fails is what helps.
  for (const part of written ?? []) {
    const finding = explainCondition(part.expression, scope)
    if (finding !== undefined) {
      return { attribute: part.name, condition: cutCondition(part.text), ...finding }
    }
  }
  const finding = explainCondition(expression, scope) ?? { found: 'it does not hold' }
  // What `deviceName` and `pointName` stand for is no text of the file.
  const condition = name === 'when' ? { condition: cutCondition(expression) } : {}
  return { attribute: name, ...condition, ...finding }
}

function whenSteps(
  when: string | undefined,
  device: string | undefined,
  scope: PredicateInput,
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

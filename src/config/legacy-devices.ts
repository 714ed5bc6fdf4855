import { EdgebootError } from '../core/errors.ts'
import { deviceCondition, pointCondition } from './cel-text.ts'
import {
  map,
  placeInside,
  scalar,
  setKey,
  textOf,
  type ConfigNode,
  type MapNode,
  type ScalarNode,
} from './config-node.ts'
import type { Findings } from './finding.ts'
import { translatePybootExpression } from './pyboot-condition.ts'
import type { WrittenCondition } from './settings.ts'

/**
 * Brings the devices of a func into the native form, in place: an entry comes out with
 * `deviceName` and `pointName` where its conditions are the usual ones, with `when` for all
 * others, and with `name` where pyboot called it something else. An entry without a condition
 * fits every message, as an empty `pointName` fits every point.
 *
 * @returns `v3` or `v2` when the entries are written so.
 */
export function translateDevices(
  func: MapNode,
  path: string,
  findings: Findings,
): 'v2' | 'v3' | undefined {
  const devices = func.entries.get('devices')?.value
  if (devices?.kind !== 'list') return undefined
  let form: 'v2' | 'v3' | undefined
  devices.items = devices.items.map((device, index) => {
    if (device.kind !== 'map') return device
    const deviceAttr = device.entries.get('deviceAttr')?.value
    const isV3 = deviceAttr?.kind === 'list' && deviceAttr.items.length > 0
    const isV2 =
      device.entries.has('deviceParseExpression') || device.entries.has('pointParseExpression')
    if (isV3) form = 'v3'
    else if (isV2) form ??= 'v2'
    const translation = new DeviceTranslation(device, `${path}[${index}]`, findings)
    return isV3 ? translation.fromAttributes(deviceAttr.items) : translation.fromNames()
  })
  return form
}

type DeviceKey = 'deviceName' | 'pointName' | 'when'

class DeviceTranslation {
  readonly #device: MapNode
  readonly #path: string
  readonly #findings: Findings
  #deviceName: ConfigNode | undefined
  #pointName: ConfigNode | undefined
  /** Conditions in CEL that are not the usual ones. */
  readonly #others: string[] = []
  #othersAt: ConfigNode['at'] | undefined
  /** What the keys of the result are made of. */
  readonly #written = new Map<DeviceKey, WrittenCondition[]>()

  constructor(device: MapNode, path: string, findings: Findings) {
    this.#device = device
    this.#path = path
    this.#findings = findings
  }

  /** v3: conditions are in `deviceAttr`, and `deviceName` beside it is a label. */
  fromAttributes(attributes: readonly ConfigNode[]): MapNode {
    attributes.forEach((attribute, index) => this.#attribute(attribute, `.deviceAttr[${index}]`))
    return this.#result(this.#take('deviceName'), ['deviceAttr'])
  }

  /** v1, v2 and native: `deviceName` and `pointName`, each with an expression of its own or none. */
  fromNames(): MapNode {
    const label = this.#take('deviceName')
    const point = this.#take('pointName')
    const deviceExpression = this.#take('deviceParseExpression')
    const pointExpression = this.#take('pointParseExpression')
    if (deviceExpression === undefined) this.#deviceName = filled(label)
    else this.#condition('deviceName', label, deviceExpression, '.deviceParseExpression')
    if (pointExpression === undefined) this.#pointName = filled(point)
    else if (filled(point) !== undefined)
      this.#condition('pointName', point, pointExpression, '.pointParseExpression')
    return this.#result(label, ['deviceAttr'])
  }

  #attribute(attribute: ConfigNode, path: string): void {
    if (attribute.kind !== 'map') {
      this.#error(
        attribute,
        path,
        'an attribute is a map',
        'give it attrName, attrValue and attrExpression',
      )
      return
    }
    const known = new Set(['attrName', 'attrValue', 'attrExpression'])
    for (const [key, entry] of attribute.entries) {
      if (known.has(key)) continue
      this.#findings.error(
        entry.at,
        this.#path + path,
        `unknown key ${JSON.stringify(key)}`,
        'an attribute takes attrName, attrValue and attrExpression',
      )
    }
    const expression = attribute.entries.get('attrExpression')?.value
    if (expression === undefined) {
      this.#error(
        attribute,
        path,
        'attrExpression is missing here',
        "such as: == data_to_dict['deviceInfo']['deviceName']",
      )
      return
    }
    const name = textOf(attribute.entries.get('attrName')?.value) ?? 'attribute'
    const value = attribute.entries.get('attrValue')?.value
    this.#condition(name, value, expression, `${path}.attrExpression`)
  }

  #condition(
    name: string,
    value: ConfigNode | undefined,
    expression: ConfigNode,
    path: string,
  ): void {
    const text = textOf(value)
    if (value === undefined || text === undefined) {
      this.#error(
        value ?? expression,
        path,
        'the value that the expression compares is missing',
        'give attrValue a text',
      )
      return
    }
    const condition = this.#translated(text, expression, path)
    if (condition === undefined) return
    const python = `'${text}' ${textOf(expression) ?? ''}`.trimEnd()
    const written = { name, text: python, expression: condition }
    if (condition === deviceCondition(text) && this.#deviceName === undefined) {
      this.#deviceName = value
      this.#remember('deviceName', written)
    } else if (condition === pointCondition(text) && this.#pointName === undefined) {
      this.#pointName = value
      this.#remember('pointName', written)
    } else {
      this.#others.push(condition)
      this.#othersAt ??= expression.at
      this.#remember('when', written)
    }
  }

  #remember(key: DeviceKey, written: WrittenCondition): void {
    const earlier = this.#written.get(key)
    if (earlier === undefined) this.#written.set(key, [written])
    else earlier.push(written)
  }

  #translated(value: string, expression: ConfigNode, path: string): string | undefined {
    const text = expression.kind === 'scalar' && expression.value === null ? '' : textOf(expression)
    if (text === undefined) {
      this.#error(
        expression,
        path,
        'an expression is text',
        'put it on one line, in quotes if need be',
      )
      return undefined
    }
    try {
      return translatePybootExpression(value, text)
    } catch (thrown) {
      if (!(thrown instanceof EdgebootError) || thrown.code !== 'CONFIG_INVALID') throw thrown
      const { offset, reason } = thrown.details
      const at = placeInside(expression as ScalarNode, typeof offset === 'number' ? offset : 0)
      this.#findings.error(
        at,
        this.#path + path,
        `the expression ${String(reason)}`,
        'write the condition in CEL, as `when` of the device',
      )
      return undefined
    }
  }

  #take(key: string): ConfigNode | undefined {
    const value = this.#device.entries.get(key)?.value
    this.#device.entries.delete(key)
    return value
  }

  /** @param dropped - Keys that have been dealt with; all others stay, for the schema to judge. */
  #result(label: ConfigNode | undefined, dropped: readonly string[]): MapNode {
    const result = map(this.#device.at)
    const labelText = textOf(label)
    const name = this.#take('name')
    const nameless =
      label === undefined || labelText === '' || labelText === textOf(this.#deviceName)
    if (name !== undefined) setKey(result, 'name', name)
    else if (!nameless) setKey(result, 'name', label)
    if (this.#deviceName !== undefined) setKey(result, 'deviceName', this.#deviceName)
    if (this.#pointName !== undefined) setKey(result, 'pointName', this.#pointName)
    const when = this.#when()
    if (when !== undefined) setKey(result, 'when', when)
    for (const [key, entry] of this.#device.entries) {
      if (!dropped.includes(key)) result.entries.set(key, entry)
    }
    if (this.#written.size > 0) result.written = this.#written
    return result
  }

  #when(): ConfigNode | undefined {
    const own = this.#take('when')
    const at = this.#othersAt
    if (at === undefined) return own
    const texts = [...this.#others]
    const ownText = textOf(own)
    if (ownText !== undefined) {
      texts.push(`(${ownText})`)
      this.#remember('when', { name: 'when', text: ownText, expression: ownText })
    }
    const joined = texts.join(' && ')
    // What came from a variable is fixed text by now: `migrate` must not see it as one again.
    return scalar(
      at,
      joined,
      joined.replaceAll('${', () => '$${'),
    )
  }

  #error(node: ConfigNode, path: string, message: string, suggestion: string): void {
    this.#findings.error(node.at, this.#path + path, message, suggestion)
  }
}

/** pyboot took an empty name for any. */
function filled(node: ConfigNode | undefined): ConfigNode | undefined {
  const isEmpty = node?.kind === 'scalar' && node.text === ''
  return isEmpty ? undefined : node
}

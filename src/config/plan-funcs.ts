import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseDigestText } from '../core/digest-text.ts'
import { EdgebootError } from '../core/errors.ts'
import { modelNameFault } from '../core/model-name.ts'
import { isDottedPythonName } from '../core/python-name.ts'
import { deviceCondition, pointCondition } from './cel-text.ts'
import { nodeAt, type ConfigPath } from './config-node.ts'
import { parseDurationMs } from './duration.ts'
import { parseSizeBytes } from './size.ts'
import type { PlanContext } from './plan-context.ts'
import { compilePredicate } from './predicate.ts'
import type { NativeConfig } from './schema.ts'
import type {
  AttributeSettings,
  DeviceSettings,
  ModelSource,
  PipelineSettings,
} from './settings.ts'

type NativeFunc = NativeConfig['funcs'][number]
type NativeDevice = NonNullable<NativeFunc['devices']>[number]

/** What a func contributes to each of its pipelines. */
export interface FuncPlan {
  readonly name: string
  readonly pipeline: Pick<
    PipelineSettings,
    | 'model'
    | 'devices'
    | 'when'
    | 'workers'
    | 'batch'
    | 'timeoutMs'
    | 'memoryBytesMax'
    | 'probation'
    | 'params'
    | 'python'
    | 'env'
  >
}

/** Decides what the funcs of a configuration are, by name, in the order of the file. */
export function planFuncs(context: PlanContext): Map<string, FuncPlan> {
  const funcs = new Map<string, FuncPlan>()
  const workers = defaultWorkers(context)
  context.config.funcs.forEach((native, index) => {
    const path = ['funcs', index]
    const name = native.name ?? native.modelName
    funcs.set(name, { name, pipeline: planFunc(context, native, path, workers) })
  })
  return funcs
}

function planFunc(
  context: PlanContext,
  native: NativeFunc,
  path: ConfigPath,
  workers: number,
): FuncPlan['pipeline'] {
  if (native.when !== undefined) checkCondition(context, native.when, [...path, 'when'])
  checkParams(context, native.params, [...path, 'params'])
  const delayMs = planDuration(native.batch?.delay)
  const timeoutMs = planDuration(native.timeout)
  return {
    model: planModel(context, native, path),
    devices: planDevices(context, native, path),
    ...(native.when === undefined ? {} : { when: native.when }),
    workers: native.workers ?? workers,
    batch: {
      ...(native.batch?.size !== undefined && { size: native.batch.size }),
      ...(delayMs !== undefined && { delayMs }),
    },
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...planMemory(context, native, path),
    ...planProbation(native),
    params: native.params ?? {},
    ...(native.python === undefined ? {} : { python: interpreter(context, native.python) }),
    env: native.env ?? {},
  }
}

function planDuration(written: string | number | undefined): number | undefined {
  return written === undefined ? undefined : parseDurationMs(written)
}

function planProbation({ probation }: NativeFunc): Pick<PipelineSettings, 'probation'> {
  if (probation === undefined) return {}
  const { messages, seconds, errorRate, p99 } = probation
  const p99MsMax = p99 === undefined ? undefined : parseDurationMs(p99)
  return {
    probation: {
      ...(messages === undefined ? {} : { messages }),
      ...(seconds === undefined ? {} : { durationMs: Math.round(seconds * 1000) }),
      ...(errorRate === undefined ? {} : { errorRateMax: errorRate }),
      ...(p99MsMax === undefined ? {} : { p99MsMax }),
    },
  }
}

function planMemory(
  context: PlanContext,
  { memory, workers }: NativeFunc,
  path: ConfigPath,
): Pick<PipelineSettings, 'memoryBytesMax'> {
  const memoryBytesMax = memory === undefined ? undefined : parseSizeBytes(memory)
  if (memoryBytesMax === undefined) return {}
  if (workers === 0) {
    const message = 'memory has no effect: the model shares the memory of its host (workers: 0)'
    context.warning([...path, 'memory'], message, 'leave it out, or let workers be 1')
  }
  return { memoryBytesMax }
}

/** A name stays for the PATH; a path is relative to the file. */
function interpreter(context: PlanContext, python: string): string {
  return python.includes('/') ? resolve(dirname(context.surroundings.file), python) : python
}

function planModel(context: PlanContext, native: NativeFunc, path: ConfigPath): ModelSource {
  const fault = modelNameFault(native.modelName)
  if (fault !== undefined) {
    const message = `modelName ${JSON.stringify(native.modelName)} ${fault}`
    context.error([...path, 'modelName'], message, 'it becomes the name of a folder')
  }
  const address = planAddress(context, native.modelAddress, [...path, 'modelAddress'])
  const mirrors = (native.modelMirrors ?? [])
    .map((mirror, index) => planAddress(context, mirror, [...path, 'modelMirrors', index]))
    .filter((mirror) => mirror !== undefined)
  const signature = planAddress(context, native.modelSignature, [...path, 'modelSignature'])
  if (address === undefined && mirrors.length > 0) {
    context.error([...path, 'modelMirrors'], 'modelMirrors needs a modelAddress before them')
  }
  checkDigests(context, native, path)
  const module = planModule(context, native, path)
  return {
    name: native.modelName,
    ...(address === undefined ? {} : { address }),
    ...(mirrors.length === 0 ? {} : { mirrors }),
    ...(signature === undefined ? {} : { signature }),
    ...(native.modelMd5 === undefined ? {} : { md5: native.modelMd5.trim() }),
    ...(native.modelSha256 === undefined ? {} : { sha256: native.modelSha256.trim() }),
    ...(module === undefined ? {} : { module }),
    ...(native.python === undefined ? {} : { python: interpreter(context, native.python) }),
  }
}

function planAddress(
  context: PlanContext,
  address: string | undefined,
  path: ConfigPath,
): string | undefined {
  if (address === undefined) return undefined
  const key = String(path.findLast((part) => typeof part === 'string'))
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(address)?.[1]?.toLowerCase()
  const folder = dirname(context.surroundings.file)
  if (scheme === undefined) return resolve(folder, address)
  const url = URL.parse(address)
  if (scheme === 'http' || scheme === 'https') {
    if (url === null)
      context.error(path, `${key} is not a valid address`, 'such as https://host/model.zip')
    return address
  }
  if (scheme === 'file' && url !== null && url.host === '') return fileURLToPath(url)
  const message = `${key} has the protocol ${scheme}, which is not supported`
  context.error(path, message, 'give an http or https address, or a path')
  return undefined
}

function checkDigests(context: PlanContext, native: NativeFunc, path: ConfigPath): void {
  const md5 = native.modelMd5?.trim()
  if (md5 !== undefined) {
    const md5Path = [...path, 'modelMd5']
    if (parseDigestText('md5', md5) === undefined) {
      const message = `modelMd5 ${JSON.stringify(md5)} is no MD5`
      context.error(md5Path, message, '24 characters of base64, or 32 hexadecimal digits')
    } else if (native.modelSha256 === undefined) {
      context.warning(md5Path, 'MD5 finds damage, not forgery', 'add modelSha256')
    }
  }
  const sha256 = native.modelSha256?.trim()
  if (sha256 === undefined && context.config.models?.require === 'sha256') {
    const message = `models.require is sha256, but the model ${native.modelName} has no modelSha256`
    context.error(path, message, 'add it, as sha256sum prints it')
  }
  if (sha256 !== undefined && parseDigestText('sha256', sha256) === undefined) {
    const message = `modelSha256 ${JSON.stringify(sha256)} is no SHA-256`
    context.error(
      [...path, 'modelSha256'],
      message,
      '64 hexadecimal digits, as sha256sum prints them',
    )
  }
}

function planModule(
  context: PlanContext,
  { module }: NativeFunc,
  path: ConfigPath,
): ModelSource['module'] | undefined {
  if (module === undefined) return undefined
  const dot = module.lastIndexOf('.')
  if (dot === -1 || !isDottedPythonName(module)) {
    const message = `module must be a Python module and a function in it, not ${JSON.stringify(module)}`
    context.error([...path, 'module'], message, 'such as industry.telemetry.telm_temperature')
    return undefined
  }
  return { name: module.slice(0, dot), function: module.slice(dot + 1) }
}

function planDevices(context: PlanContext, native: NativeFunc, path: ConfigPath): DeviceSettings[] {
  return (native.devices ?? []).map((device, index) => ({
    name: device.name ?? device.deviceName ?? `device-${index + 1}`,
    attributes: planAttributes(context, device, [...path, 'devices', index]),
  }))
}

function planAttributes(
  context: PlanContext,
  device: NativeDevice,
  path: ConfigPath,
): AttributeSettings[] {
  const { deviceName, pointName, when } = device
  const node = nodeAt(context.root, path)
  const writtenOf = (key: string): Pick<AttributeSettings, 'written'> => {
    const written = node?.kind === 'map' ? node.written?.get(key) : undefined
    return written === undefined ? {} : { written }
  }
  const attributes: AttributeSettings[] = []
  if (deviceName !== undefined) {
    attributes.push({
      name: 'deviceName',
      value: deviceName,
      expression: deviceCondition(deviceName),
      ...writtenOf('deviceName'),
    })
  }
  if (pointName !== undefined) {
    attributes.push({
      name: 'pointName',
      value: pointName,
      expression: pointCondition(pointName),
      ...writtenOf('pointName'),
    })
  }
  if (when !== undefined) {
    checkCondition(context, when, [...path, 'when'])
    attributes.push({ name: 'when', value: '', expression: when, ...writtenOf('when') })
  }
  return attributes
}

function checkCondition(context: PlanContext, condition: string, path: ConfigPath): void {
  try {
    compilePredicate(condition)
  } catch (thrown) {
    if (!(thrown instanceof EdgebootError)) throw thrown
    const { offset, reason } = thrown.details
    const place = typeof offset === 'number' ? offset : 0
    const usesPython = /\b(?:and|or|not|None|True|False)\b/.test(condition)
    const hint = usesPython
      ? 'CEL writes && for and, || for or, ! for not, true, false and null'
      : undefined
    context.errorInside(path, place, `the condition ${String(reason)}`, hint)
  }
}

/** Params travel to the model as JSON. */
function checkParams(context: PlanContext, params: unknown, path: ConfigPath): void {
  if (params === undefined) return
  const bytes = Buffer.byteLength(JSON.stringify(params))
  if (bytes > paramsBytesMax) {
    context.error(
      path,
      `params are ${bytes} bytes, more than ${paramsBytesMax}`,
      'put large data into the package',
    )
  }
}

const paramsBytesMax = 1024 * 1024

/** `MAX_EDGE_NUM` of pyboot, else one. */
function defaultWorkers(context: PlanContext): number {
  const written = context.surroundings.env['MAX_EDGE_NUM']
  if (written === undefined || written.trim() === '') return 1
  const workers = Number(written)
  if (Number.isInteger(workers) && workers >= 1 && workers <= 256) return workers
  const message = `MAX_EDGE_NUM must be a whole number from 1 to 256, not ${JSON.stringify(written)}`
  context.findings.environment('error', message)
  return 1
}

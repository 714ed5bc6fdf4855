import { dirname, join, resolve } from 'node:path'
import { planBrokers } from './plan-brokers.ts'
import type { PlanContext } from './plan-context.ts'
import { planFuncs } from './plan-funcs.ts'
import { planModelLimits, planPythonEnvironments } from './plan-model-limits.ts'
import { planModelProof } from './plan-model-proof.ts'
import { planRules } from './plan-rules.ts'
import { readSecret } from './plan-secret.ts'
import type { ModelsSettings, Settings, WebSettings } from './settings.ts'

/**
 * Decides everything that a configuration leaves open, and finds the mistakes that no schema can
 * see: names that lead nowhere or are there twice, conditions that do not compile, addresses and
 * topics that MQTT forbids. All of them go to the context's findings; the settings mean nothing
 * when one of them is a mistake.
 */
export function planSettings(context: PlanContext): Settings {
  const brokers = planBrokers(context)
  const funcs = planFuncs(context)
  if (context.config.isolation === 'shared') {
    const message =
      'isolation shared takes effect in a later version: until then every rule and func has a process'
    context.warning(['isolation'], message)
  }
  const models = planModels(context)
  const stateFolder = planStateFolder(context, models)
  return {
    file: context.surroundings.file,
    stateFolder,
    brokers: [...brokers.values()],
    pipelines: planRules(context, { brokers, funcs, stateFolder }),
    web: planWeb(context),
    models,
  }
}

/** Beside the store of models unless configured, in one folder, so that it can be left out of a copy. */
function planStateFolder(context: PlanContext, models: ModelsSettings): string {
  const { stateFolder: override, file } = context.surroundings
  if (override !== undefined) return override
  const configured = context.config.stateFolder
  if (configured === undefined) return join(models.folder, '.edgeboot', 'state')
  return resolve(dirname(file), configured)
}

function planWeb(context: PlanContext): WebSettings {
  const { web } = context.config
  if (web?.framework === 'express') {
    const message = 'framework express comes in a later version'
    context.error(['web', 'framework'], message, 'write fastify, or leave it out')
  }
  const token = readSecret(context, ['web'], {
    key: 'token',
    value: web?.token,
    file: web?.tokenFile,
  })
  const host = web?.host ?? '127.0.0.1'
  const enabled = web?.enabled ?? true
  const hasToken = web?.token !== undefined || web?.tokenFile !== undefined
  if (enabled && !isLoopback(host) && !hasToken) {
    const message = `web.host ${JSON.stringify(host)} can be reached by others, so it needs a token`
    context.error(['web', 'host'], message, 'add tokenFile, or listen on 127.0.0.1')
  }
  if (token !== undefined && token.trim() === '') {
    const key = web?.tokenFile === undefined ? 'token' : 'tokenFile'
    context.error(['web', key], 'the token is empty')
  }
  return { enabled, host, port: web?.port ?? 5888, ...(token === undefined ? {} : { token }) }
}

function isLoopback(host: string): boolean {
  return /^127(?:\.\d{1,3}){3}$/.test(host) || ['localhost', '::1', '[::1]'].includes(host)
}

function planModels(context: PlanContext): ModelsSettings {
  const { models } = context.config
  return {
    folder: modelsFolder(context),
    download: models?.download ?? defaultDownload(context),
    ...planModelProof(context),
    python: planPythonEnvironments(models?.python),
    limits: planModelLimits(models?.limits),
  }
}

function modelsFolder(context: PlanContext): string {
  const { file, cwd, env, modelsFolder: override } = context.surroundings
  if (override !== undefined) return resolve(cwd, override)
  const configured = context.config.models?.folder
  if (configured !== undefined) return resolve(dirname(file), configured)
  const home = env['PYBOOT_HOME']
  if (home !== undefined && home !== '')
    return resolve(cwd, join(home, 'modules', 'gridsum', 'science'))
  return resolve(cwd, 'models')
}

/** pyboot looks for the word True; anything else meant no. */
function defaultDownload(context: PlanContext): ModelsSettings['download'] {
  const written = context.surroundings.env['DOWNLOAD_MODEL']
  if (written === undefined || written.trim() === '') return 'missing'
  const word = written.trim().toLowerCase()
  if (word === 'true' || word === '1' || word === 'yes') return 'always'
  if (word === 'false' || word === '0' || word === 'no') return 'never'
  const message = `DOWNLOAD_MODEL must be True or False, not ${JSON.stringify(written)}`
  context.findings.environment('error', message)
  return 'missing'
}

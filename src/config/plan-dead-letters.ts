import { join } from 'node:path'
import type { NativeConfig } from './schema.ts'
import type { DeadLetterSettings } from './settings.ts'
import { parseSizeBytes } from './size.ts'
import { deadLettersFolder, pipelineFileName } from './state-folder.ts'

type NativeOnError = NativeConfig['rules'][number]['onError']

const itemsMaxDefault = 10_000
const bytesMaxDefault = 64 * 1024 * 1024

/** Decides what happens to the events of one rule and func that are given up. */
export function planDeadLetters(
  native: NativeOnError,
  names: { rule: string; func: string },
  stateFolder: string,
): DeadLetterSettings {
  const { keep, deadLetter } = native ?? {}
  const topic = deadLetter === undefined ? {} : { topic: deadLetter }
  if (keep === false) return topic
  const { maxItems, maxBytes } = typeof keep === 'object' ? keep : {}
  const store = {
    file: join(
      deadLettersFolder(stateFolder),
      pipelineFileName([names.rule, names.func], 'sqlite'),
    ),
    itemsMax: maxItems ?? itemsMaxDefault,
    bytesMax: (maxBytes === undefined ? undefined : parseSizeBytes(maxBytes)) ?? bytesMaxDefault,
  }
  return { store, ...topic }
}

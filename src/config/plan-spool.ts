import { join } from 'node:path'
import { parseKeptForMs } from './schema-fields.ts'
import type { NativeConfig } from './schema.ts'
import type { BrokerSettings, SpoolSettings } from './settings.ts'
import { parseSizeBytes } from './size.ts'
import { pipelineFileName, spoolFolder } from './state-folder.ts'

type NativeSpool = NativeConfig['rules'][number]['spool']

const bytesMaxDefault = 256 * 1024 * 1024

/**
 * Decides where the results of one rule and func wait for an absent broker, and how many.
 *
 * @returns `undefined` when they wait in memory alone.
 */
export function planSpool(
  native: NativeSpool,
  names: { rule: string; func: string; sink: BrokerSettings },
  stateFolder: string,
): SpoolSettings | undefined {
  if (names.sink.qos === 0 || native === false) return undefined
  const { maxBytes, maxAge, whenFull } = typeof native === 'object' ? native : {}
  const owners = [names.rule, names.func, names.sink.name]
  const ageMsMax = maxAge === undefined ? undefined : parseKeptForMs(maxAge)
  return {
    // The broker too: results go to no other one.
    file: join(spoolFolder(stateFolder), pipelineFileName(owners, 'sqlite')),
    bytesMax: (maxBytes === undefined ? undefined : parseSizeBytes(maxBytes)) ?? bytesMaxDefault,
    ...(ageMsMax === undefined ? {} : { ageMsMax }),
    whenFull: whenFull ?? 'block',
  }
}

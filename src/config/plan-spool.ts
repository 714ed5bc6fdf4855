import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { parseKeptForMs } from './schema-fields.ts'
import type { NativeConfig } from './schema.ts'
import type { BrokerSettings, SpoolSettings } from './settings.ts'
import { parseSizeBytes } from './size.ts'
import { spoolFolder } from './state-folder.ts'

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
  const ageMsMax = maxAge === undefined ? undefined : parseKeptForMs(maxAge)
  return {
    file: join(spoolFolder(stateFolder), fileName([names.rule, names.func, names.sink.name])),
    bytesMax: (maxBytes === undefined ? undefined : parseSizeBytes(maxBytes)) ?? bytesMaxDefault,
    ...(ageMsMax === undefined ? {} : { ageMsMax }),
    whenFull: whenFull ?? 'block',
  }
}

/**
 * Known by names and not by place, so that the results of a rule stay its own when another comes
 * before it, and go to no other broker. The names are there for people, the hash tells apart.
 */
function fileName(names: readonly string[]): string {
  const readable = names.map((name) => name.replaceAll(/[^\w-]/g, '_').slice(0, 40)).join('.')
  const hash = createHash('sha256').update(JSON.stringify(names)).digest('hex').slice(0, 10)
  return `${readable}.${hash}.sqlite`
}

import { z } from 'zod'
import { duration, flag, keptFor, qos, size, text, whole } from './schema-fields.ts'
import { rule } from './schema-rule.ts'

/**
 * The native form of a configuration, as it is written. Every description is what an editor shows
 * through `edgeboot schema`. Defaults are named here for people; `plan.ts` applies them.
 */

const tls = z
  .strictObject({
    caFile: text('Certificates to trust instead of those of the system, PEM.').optional(),
    certFile: text('Certificate of this client, PEM.').optional(),
    keyFile: text('Private key of certFile, PEM.').optional(),
    serverName: text(
      'Name that the certificate must bear, when it is not the host name.',
    ).optional(),
    insecure: flag('Does not check the certificate. Shown as a warning.').optional(),
  })
  .meta({ description: 'TLS for mqtts and wss. Paths are relative to this file.' })

const will = z
  .strictObject({
    topic: text('Topic of the last will.'),
    payload: z.string().meta({ description: 'Payload of the last will.', default: '' }).optional(),
    qos: qos.optional(),
    retain: flag('Whether the broker keeps it.').optional(),
  })
  .meta({
    description: 'Message that the broker sends when the connection breaks. Off by default.',
  })

const mqtt = z
  .strictObject({
    name: text('Name that rules use. Unique.'),
    broker: text(
      'Address: tcp, mqtt, ssl, tls, mqtts, ws or wss, then host and port; embedded:// starts a broker inside edgeboot.',
    ),
    qos: qos.optional(),
    retain: flag('Whether results carry the retain flag.').optional(),
    protocol: z
      .enum(['auto', '5', '3.1.1'])
      .meta({ description: 'MQTT version; auto tries 5 first.', default: 'auto' })
      .optional(),
    sessionExpiry: keptFor(
      'With qos 1: how long the broker keeps what it has not delivered while edgeboot is away (MQTT 5; a 3.1.1 broker decides by itself).',
      'write qos: 0 if the broker is to keep nothing',
      '7d',
    ).optional(),
    keepAlive: duration('Longest silence towards the broker.', '60s').optional(),
    connectTimeout: duration('How long one attempt to connect may take.', '10s').optional(),
    username: text('User name.').optional(),
    password: z
      .string()
      .meta({ description: 'Password. Better ${ENV} or passwordFile.' })
      .optional(),
    passwordFile: text('File that holds the password.').optional(),
    tls: tls.optional(),
    will: will.optional(),
  })
  .meta({ description: 'An MQTT broker.' })

const device = z
  .strictObject({
    name: text(
      'What context.device says. Default: deviceName, or the place in the list.',
    ).optional(),
    deviceName: text('Holds when event.deviceInfo.deviceName is this.').optional(),
    pointName: text('Holds when event.telemetry has this point.').optional(),
    when: text('Holds when this CEL condition is true.').optional(),
    deviceAttr: z
      .array(
        z.strictObject({
          attrName: z.string().meta({ description: 'A name for the condition.' }).optional(),
          attrValue: z
            .string()
            .meta({ description: 'Text that stands in quotes before attrExpression.' })
            .optional(),
          attrExpression: z
            .string()
            .meta({ description: 'The rest of a Python expression.' })
            .optional(),
        }),
      )
      .meta({ description: "pyboot's conditions in Python; deviceName is then a name alone." })
      .optional(),
  })
  .meta({ description: 'A device that feeds the func. All that is given must hold.' })

const func = z
  .strictObject({
    name: text('Name that rules use. Unique. Default: modelName.').optional(),
    modelName: text('Name of the model: its folder under models.folder.'),
    modelAddress: text(
      'Where the package is: http(s)://… or a path relative to this file.',
    ).optional(),
    modelMirrors: z
      .array(text('As modelAddress.'))
      .max(8)
      .meta({ description: 'Where else the package is, tried in this order after modelAddress.' })
      .optional(),
    modelMd5: text('MD5 of the zip, base64 or hex. Finds damage, not forgery.').optional(),
    modelSha256: text('SHA-256 of the zip, hex.').optional(),
    modelSignature: text(
      'Where the minisign signature of the zip is. Default: .minisig after the address of the zip.',
    ).optional(),
    module: text(
      'Python module and function of one argument under models.folder, as pyboot v0 had them: industry.telemetry.telm_temperature.',
    ).optional(),
    devices: z
      .array(device)
      .meta({ description: 'Devices that feed the func. Default: every message.' })
      .optional(),
    when: text(
      'CEL condition over event, telemetry, device and topic that events must meet.',
    ).optional(),
    workers: whole(
      'Runners. 0 runs a JavaScript model inside its host. Default: MAX_EDGE_NUM, else 1.',
      0,
      256,
    ).optional(),
    batch: z
      .strictObject({
        size: whole('Most events that are handed over at once. Default: 64.', 1, 4096).optional(),
        delay: duration('How long to wait for a batch to fill.', '0s').optional(),
      })
      .meta({ description: 'How events are handed to the model.' })
      .optional(),
    timeout: duration('How long the model may take for one event.', '10s').optional(),
    memory: size(
      'What one runner may hold, such as 256MiB. Above, it is replaced by a fresh one; at twice as much, killed. Default: no limit.',
      undefined,
      '16MiB',
    ).optional(),
    probation: z
      .strictObject({
        messages: whole('Ends the probation after this many messages.', 1, 1e9).optional(),
        seconds: z
          .number()
          .positive('must be above 0')
          .max(86_400, 'must be at most 86400, a day')
          .meta({ description: 'Ends the probation after this time, in seconds.' })
          .optional(),
        errorRate: z
          .number()
          .min(0, 'must be a share from 0 to 1')
          .max(1, 'must be a share from 0 to 1')
          .meta({ description: 'Share of messages that may fail: 0.01 is one in a hundred.' })
          .optional(),
        p99: duration(
          'What 99 of 100 messages may take, from their arrival to the answer of the model.',
          'no limit',
        ).optional(),
      })
      .refine(({ messages, seconds }) => messages !== undefined || seconds !== undefined, {
        error: 'needs an end: messages, seconds or both',
      })
      .refine(({ errorRate, p99 }) => errorRate !== undefined || p99 !== undefined, {
        error: 'needs a limit: errorRate, p99 or both',
      })
      .meta({
        description:
          'What a new version has to show after it took over; else the version before comes back.',
      })
      .optional(),
    params: z
      .record(z.string(), z.unknown())
      .meta({ description: 'Anything; the model sees it as context.params.' })
      .optional(),
    env: z
      .record(z.string(), z.string())
      .meta({ description: 'Environment variables of the model.' })
      .optional(),
    python: text('Interpreter of a Python model: a path or a name on the PATH.').optional(),
  })
  .meta({ description: 'A model, and the devices that feed it.' })

const web = z
  .strictObject({
    enabled: z.boolean().meta({ description: 'Whether to serve HTTP.', default: true }).optional(),
    host: text(
      'Address to listen on; other than loopback needs a token. Default: 127.0.0.1.',
    ).optional(),
    port: whole('Port; 0 picks a free one. Default: 5888.', 0, 65_535).optional(),
    token: text('Token that requests must bear. Better ${ENV} or tokenFile.').optional(),
    tokenFile: text('File that holds the token.').optional(),
    framework: z
      .enum(['fastify', 'express'])
      .meta({ description: 'Only fastify in this version.', default: 'fastify' })
      .optional(),
  })
  .meta({ description: 'The HTTP server.' })

const models = z
  .strictObject({
    folder: text(
      'Folder of the models, relative to this file. Default: $PYBOOT_HOME/modules/gridsum/science, else ./models.',
    ).optional(),
    download: z
      .enum(['always', 'missing', 'never'])
      .meta({ description: 'When to fetch packages. Default: DOWNLOAD_MODEL, else missing.' })
      .optional(),
    require: z
      .enum(['none', 'sha256', 'signature'])
      .meta({ description: 'What a package must have to be used.', default: 'none' })
      .optional(),
    keys: z
      .array(text('A public key of minisign, or the path of its file.'))
      .max(32)
      .meta({ description: 'Whose signatures are trusted.' })
      .optional(),
    python: z
      .strictObject({
        install: z
          .boolean()
          .meta({
            description: 'Whether what a requirements.txt asks for is installed.',
            default: true,
          })
          .optional(),
        index: text('Address of a package index, instead of what pip is configured with.')
          .regex(/^https?:\/\//, 'must begin with http:// or https://')
          .optional(),
        buildTimeout: duration('Longest installation of one environment.', '15m').optional(),
      })
      .meta({ description: 'How what Python models require is installed.' })
      .optional(),
    limits: z
      .strictObject({
        packageBytesMax: size('Largest package.', '512MiB').optional(),
        unpackedBytesMax: size('Largest sum of its files.', '2GiB').optional(),
        entriesMax: whole('Most files in a package. Default: 20000.', 1, 1_000_000).optional(),
        ratioMax: z
          .number()
          .min(1)
          .max(100_000)
          .meta({ description: 'Most bytes that a packed byte may unpack to.', default: 200 })
          .optional(),
        idleTimeout: duration('Longest silence of a download.', '30s').optional(),
        totalTimeout: duration('Longest download.', '30m').optional(),
      })
      .meta({ description: 'What a package may be.' })
      .optional(),
  })
  .meta({ description: 'Where model packages live.' })

/** The whole file. */
export const configSchema = z
  .strictObject({
    mqtts: z.array(mqtt).meta({ description: 'MQTT brokers.' }),
    rules: z
      .array(rule)
      .meta({ description: 'Rules: where events come from and where results go.' }),
    funcs: z.array(func).meta({ description: 'Funcs: models and what feeds them.' }),
    web: web.optional(),
    models: models.optional(),
    stateFolder: text(
      'Folder of what must outlive the process: results that wait on the disk, and records of sessions at brokers. Relative to this file. Default: .edgeboot/state in models.folder.',
    ).optional(),
    isolation: z
      .enum(['process', 'shared'])
      .meta({
        description:
          'process: a host for every rule and func. shared takes effect in a later version.',
        default: 'process',
      })
      .optional(),
  })
  .meta({
    title: 'edgeboot configuration',
    description: 'Rules that take MQTT telemetry through models and back.',
  })

/** A configuration in the native form, as it is written. */
export type NativeConfig = z.infer<typeof configSchema>

/** The JSON Schema of the native form, for editors. */
export function configJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(configSchema, { io: 'input' }) }
}

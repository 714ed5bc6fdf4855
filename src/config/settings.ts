/**
 * The configuration after everything has been decided: defaults filled in, units resolved,
 * references followed, old forms translated. Plain data: it crosses process boundaries as JSON.
 * Types only; the schema that makes it is in `schema.ts` and never reaches a host.
 */

/** MQTT quality of service. */
export type Qos = 0 | 1 | 2

/** What a full queue does with the next event. */
export type WhenFull = 'block' | 'drop-oldest' | 'drop-newest'

/** What keeps events in order: one lane per device, per topic, or none at all. */
export type OrderBy = 'device' | 'topic' | 'none'

/** TLS towards a broker. Paths are absolute. */
export interface TlsSettings {
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
  readonly serverName?: string
  /** Turns verification off; shown as a warning wherever it can be seen. */
  readonly insecure: boolean
}

/** A last will, off unless configured. */
export interface WillSettings {
  readonly topic: string
  readonly payload: string
  readonly qos: Qos
  readonly retain: boolean
}

/** One MQTT server. */
export interface BrokerSettings {
  readonly name: string
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://` with host and port and no credentials; `embedded://` before start. */
  readonly url: string
  readonly qos: Qos
  /** Whether results carry the retain flag. */
  readonly retain: boolean
  readonly protocol: 'auto' | '5' | '3.1.1'
  readonly keepAliveSeconds: number
  readonly connectTimeoutMs: number
  readonly username?: string
  readonly password?: string
  readonly tls?: TlsSettings
  readonly will?: WillSettings
}

/** Where a pipeline's events come from. */
export interface SourceSettings {
  readonly broker: BrokerSettings
  readonly clientId: string
  /** What is subscribed with: QoS 2 is served as 1. With 1 the broker keeps the session. */
  readonly qos: 0 | 1
  /** How long the broker keeps the session while we are away (MQTT 5); 0 with QoS 0. */
  readonly sessionExpirySeconds: number
  /** QoS 1 messages that may be received and not yet acknowledged, 1 to 65,535. */
  readonly window: number
  /** Folder where it is written down which subscriptions a broker keeps for us. Absolute. */
  readonly recordsFolder: string
  /** The filter to subscribe to, with `$share/group/` in front when a group is configured. */
  readonly topic: string
  /** False leaves out messages that the broker kept from before the subscription. */
  readonly retained: boolean
}

/** Where a pipeline's results go. */
export interface SinkSettings {
  readonly broker: BrokerSettings
  readonly clientId: string
  /** What is published with: QoS 2 is served as 1. */
  readonly qos: 0 | 1
  /** A topic, or a template with `${device}`, `${rule}`, `${model}`, `${topic}`, `${topic[N]}`. */
  readonly topic: string
  /**
   * How long a result may wait for the broker in memory. Then it is dropped and counted with QoS 0;
   * with QoS 1 it goes to the spool, or without one waits on.
   */
  readonly timeoutMs: number
  /** With QoS 1, unless it was turned off. */
  readonly spool?: SpoolSettings
}

/** Where results wait for an absent broker. */
export interface SpoolSettings {
  /** The SQLite file of this pipeline. Absolute. Made when it is first needed. */
  readonly file: string
  /** Topics, payloads and properties together. */
  readonly bytesMax: number
  /** Results that waited longer are given up and counted; absent: never. */
  readonly ageMsMax?: number
  readonly whenFull: 'block' | 'drop-oldest'
}

/** What happens to events that are given up, besides being counted. */
export interface DeadLetterSettings {
  /** Absent: they are not kept. */
  readonly store?: DeadLetterStoreSettings
  /** A topic for copies, or a template as that of a sink. Absent: none are published. */
  readonly topic?: string
}

/** Where dead letters are kept. */
export interface DeadLetterStoreSettings {
  /** The SQLite file of this pipeline. Absolute. Made when it is first needed. */
  readonly file: string
  readonly itemsMax: number
  /** Topics, payloads and all that is known of them together. */
  readonly bytesMax: number
}

/** One condition that a message must meet to belong to a device. */
export interface AttributeSettings {
  /** `deviceName`, `pointName`, or whatever the configuration calls it. */
  readonly name: string
  /** What is looked for, as configured. */
  readonly value: string
  /** The complete condition in CEL. */
  readonly expression: string
  /** The conditions of pyboot's form that it was made of, for people: nothing is decided by them. */
  readonly written?: readonly WrittenCondition[]
}

/** A condition as it stands in a file of pyboot's form. */
export interface WrittenCondition {
  /** What the file calls the attribute. */
  readonly name: string
  /** As Python reads it: the value in quotes, then the expression. */
  readonly text: string
  /** The same in CEL. */
  readonly expression: string
}

/** A device that feeds a func. All attributes must hold. */
export interface DeviceSettings {
  readonly name: string
  readonly attributes: readonly AttributeSettings[]
}

/** How what a Python model requires is installed. */
export interface PythonEnvironmentSettings {
  /** False: models run with what their interpreter has, whatever their `requirements.txt` says. */
  readonly install: boolean
  /** Where pip looks instead of its own configuration; may hold a password. */
  readonly index?: string
  /** Making one environment, downloads included. */
  readonly buildMs: number
}

/** How a model package is found and proven. */
export interface ModelSource {
  readonly name: string
  /** `http(s)://…` or an absolute path to a zip or a folder; absent when the models folder has it. */
  readonly address?: string
  /** Where else the package is, to be tried in this order: like `address`. */
  readonly mirrors?: readonly string[]
  readonly md5?: string
  readonly sha256?: string
  /** Where its signature is, like `address`; absent: `.minisig` after the address of the package. */
  readonly signature?: string
  /** v0's `edge_mode`: a Python module under the models folder and a function of one argument in it. */
  readonly module?: { readonly name: string; readonly function: string }
  /** Interpreter that the func asks for: what the package requires is installed for it. */
  readonly python?: string
}

/** What outlives the host of a pipeline. */
export interface RecorderSettings {
  /** The file of this pipeline. Absolute. Made by its host. */
  readonly file: string
}

/** What a version that took over has to show before it is trusted. At least one end and one limit. */
export interface ProbationSettings {
  /** It ends with this many messages. */
  readonly messages?: number
  /** It ends after this time. */
  readonly durationMs?: number
  /** Errors over messages, 0 to 1. */
  readonly errorRateMax?: number
  readonly p99MsMax?: number
}

/** One rule × func: everything its host needs to know. */
export interface PipelineSettings {
  /** pyboot's name of the process: `sub_process_{sub.name}_{modelName}_{i}`. Unique. */
  readonly name: string
  readonly rule: string
  /** Name of the func; that of its model unless it has its own. Unique within the rule. */
  readonly func: string
  readonly source: SourceSettings
  readonly sink: SinkSettings
  /** With QoS 1 at the input: without, nothing outlives the host. */
  readonly recorder?: RecorderSettings
  readonly model: ModelSource
  /** Empty: every message. */
  readonly devices: readonly DeviceSettings[]
  /** CEL over `event`, `telemetry`, `device`, `topic`. */
  readonly when?: string
  readonly orderBy: OrderBy
  readonly queue: { readonly size: number; readonly whenFull: WhenFull }
  /** Runners; 0 runs a JavaScript model inside the host. */
  readonly workers: number
  /** Absent: what the manifest of the model says, else the default; so below. */
  readonly batch: { readonly size?: number; readonly delayMs?: number }
  /** One event in the model. */
  readonly timeoutMs?: number
  /** What one runner may hold, with all that it starts. */
  readonly memoryBytesMax?: number
  /** How often an event whose runner died is tried before it is given up. */
  readonly attempts: number
  readonly deadLetters: DeadLetterSettings
  /** Of a new version of the model; absent: passing its samples is enough. */
  readonly probation?: ProbationSettings
  /** Key by key before those of the manifest. */
  readonly params: Readonly<Record<string, unknown>>
  /** Interpreter for a Python model: a path or a name on the PATH. */
  readonly python?: string
  /** Variables that the model sees besides the few that every runner has. Merged as `params`. */
  readonly env: Readonly<Record<string, string>>
}

/** A pipeline as its host runs it with a certain package: nothing is left open. */
export interface EffectiveSettings extends PipelineSettings {
  readonly batch: { readonly size: number; readonly delayMs: number }
  readonly timeoutMs: number
}

/** The HTTP server. */
export interface WebSettings {
  readonly enabled: boolean
  readonly host: string
  readonly port: number
  /** Needed when `host` is not loopback. */
  readonly token?: string
}

/** What a package must have to be used. */
export interface ModelProof {
  /** `sha256`: a digest in the configuration; `signature`: one of minisign, by one of the keys. */
  readonly require: 'none' | 'sha256' | 'signature'
  /** Public keys of minisign, one line each. */
  readonly keys: readonly string[]
}

/** Where model packages live and what may be fetched. */
export interface ModelsSettings extends ModelProof {
  /** Folder with one folder per model, and the store in `.edgeboot`. Absolute. */
  readonly folder: string
  /** `always` looks at the address on every start, `missing` only when the disk has no model, `never` forbids it. */
  readonly download: 'always' | 'missing' | 'never'
  /** Absent: nothing is installed. */
  readonly python?: PythonEnvironmentSettings
  readonly limits: {
    /** Size of a package as downloaded. */
    readonly packageBytesMax: number
    /** Size of all files once unpacked. */
    readonly unpackedBytesMax: number
    readonly entriesMax: number
    /** Unpacked size over packed size. */
    readonly ratioMax: number
    /** Waiting for the next byte of a download. */
    readonly idleMs: number
    /** The whole download. */
    readonly totalMs: number
  }
}

/** Everything that a configuration file says. */
export interface Settings {
  /** Absolute path of the file. */
  readonly file: string
  /** Folder of what must outlive the process: spools and records of sessions. Absolute. */
  readonly stateFolder: string
  readonly brokers: readonly BrokerSettings[]
  readonly pipelines: readonly PipelineSettings[]
  readonly web: WebSettings
  readonly models: ModelsSettings
}

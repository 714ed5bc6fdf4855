import { cliErrors } from './cli-errors.ts'
import type { ErrorEntry } from './error-entry.ts'
import { modelErrors } from './model-errors.ts'
import { storeErrors } from './store-errors.ts'

/**
 * Every error code with its exit status, whether a retry can help, and the fix.
 *
 * Codes are public: add, never rename, never reuse. The prefix says who must act: `CONFIG_` and
 * `CLI_` the operator, `BROKER_` the network, `MODEL_` the author of the model, `RUNNER_` and
 * `HOST_` the supervisor, `WEB_`, `SPOOL_` and `DEAD_LETTERS_` the operator, `BOOT_` the author of a starter, `INTERNAL_` us.
 * `docs/errors.md` lists the same codes; a test keeps the two in step.
 */
export const catalogue = {
  ...cliErrors,
  ...modelErrors,
  ...storeErrors,

  CONFIG_NOT_FOUND: {
    exit: 3,
    retryable: false,
    fix: 'Name a file that is there: run takes it as --config FILE, the other commands as FILE. The default is conf/config.yaml.',
  },
  CONFIG_INVALID: {
    exit: 3,
    retryable: false,
    fix: 'Correct the lines named above; `edgeboot validate FILE` checks again without starting.',
  },
  CONFIG_STATE_IN_USE: {
    exit: 1,
    retryable: true,
    fix: 'Stop the other edgeboot, or give this configuration a stateFolder of its own.',
  },
  CONFIG_STATE_UNUSABLE: {
    exit: 3,
    retryable: false,
    fix: 'Name a folder on a local disk that edgeboot may write to as stateFolder.',
  },

  BROKER_UNREACHABLE: {
    exit: 4,
    retryable: true,
    fix: 'Check that the broker runs, and its address, port and firewall; edgeboot keeps trying.',
  },
  BROKER_REFUSED: {
    exit: 4,
    retryable: true,
    fix: 'Check user name, password and client id against what the broker allows.',
  },
  BROKER_TLS: {
    exit: 4,
    retryable: true,
    fix: 'Check tls.caFile, the certificate dates and the host name; tls.insecure: true turns the check off.',
  },
  BROKER_SUBSCRIBE_REFUSED: {
    exit: 4,
    retryable: true,
    fix: "Check the topic filter and the broker's access rules for this user.",
  },
  BROKER_SESSION_TAKEN: {
    exit: 4,
    retryable: true,
    fix: 'Two clients use this client id: give each instance a clientId of its own.',
  },
  BROKER_CONNECTION_LOST: {
    exit: 4,
    retryable: true,
    fix: 'Nothing to do if it returns by itself; else check the broker and the network.',
  },
  BROKER_PORT_IN_USE: {
    exit: 4,
    retryable: false,
    fix: 'Stop what listens on that port, or name another one in the embedded:// address.',
  },
  BROKER_LISTEN_FAILED: {
    exit: 4,
    retryable: false,
    fix: 'Give embedded:// an address of this machine and a port that this user may open.',
  },

  SPOOL_LOCKED: {
    exit: 1,
    retryable: true,
    fix: 'Two edgeboots use this state folder: give each a folder of its own.',
  },
  SPOOL_DISK_FULL: {
    exit: 1,
    retryable: true,
    fix: 'Make room on the disk; until then results wait in memory and nothing more is read.',
  },
  SPOOL_UNWRITABLE: {
    exit: 1,
    retryable: true,
    fix: 'Let the state folder be one that this user may write to, on a disk that works; until then results wait in memory.',
  },

  DEAD_LETTERS_LOCKED: {
    exit: 1,
    retryable: true,
    fix: 'Try again; end whatever else has the file open for long, such as a shell of SQLite in a transaction.',
  },
  DEAD_LETTERS_DISK_FULL: {
    exit: 1,
    retryable: true,
    fix: 'Make room on the disk; until then events at QoS 1 that are given up wait in memory, unacknowledged.',
  },
  DEAD_LETTERS_NEWER: {
    exit: 1,
    retryable: false,
    fix: 'Use the edgeboot that wrote them.',
  },
  DEAD_LETTERS_DAMAGED: {
    exit: 1,
    retryable: false,
    fix: 'Move the file away; a running edgeboot does that by itself when it next writes to it, and begins a new one.',
  },
  DEAD_LETTERS_UNUSABLE: {
    exit: 1,
    retryable: true,
    fix: 'Let the state folder be one that this user may write to, on a disk that works.',
  },
  DEAD_LETTERS_NO_SUCH: {
    exit: 1,
    retryable: false,
    fix: 'Take an id, or its first characters, from `edgeboot dlq list`.',
  },

  MODEL_NOT_FOUND: {
    exit: 1,
    retryable: false,
    fix: 'Put the model folder where the message says, or give the func a modelAddress.',
  },
  MODEL_DOWNLOAD_FORBIDDEN: {
    exit: 1,
    retryable: false,
    fix: 'Put the model on the disk, or unset DOWNLOAD_MODEL=False.',
  },
  MODEL_DOWNLOAD_FAILED: {
    exit: 1,
    retryable: true,
    fix: 'Check modelAddress and that its server is up; edgeboot keeps trying.',
  },
  MODEL_DOWNLOAD_REFUSED: {
    exit: 1,
    retryable: false,
    fix: 'Check modelAddress: the server answered, but not with this file.',
  },
  MODEL_DIGEST_MISMATCH: {
    exit: 1,
    retryable: false,
    fix: 'The file is not the one that was meant: correct the digest in the configuration or the file on the server.',
  },
  MODEL_PACKAGE_INVALID: {
    exit: 1,
    retryable: false,
    fix: 'Ask the author for a plain zip: files at its root or under one folder, no links, no paths that leave it.',
  },
  MODEL_PACKAGE_TOO_LARGE: {
    exit: 1,
    retryable: false,
    fix: 'Make the package smaller, or raise the limit under models.limits.',
  },
  MODEL_STORE_FAILED: {
    exit: 1,
    retryable: true,
    fix: 'Check that the models folder is writable and the disk has room.',
  },
  MODEL_NO_ENTRY: {
    exit: 1,
    retryable: false,
    fix: 'A model folder needs index.py, index.ts, index.mts, index.mjs or index.js.',
  },
  MODEL_NO_HANDLER: {
    exit: 1,
    retryable: false,
    fix: 'Define handler(event, context) in the entry file (Python also: index(event, context)).',
  },
  MODEL_SYNTAX: { exit: 1, retryable: false, fix: 'Correct the line named above.' },
  MODEL_IMPORT_FAILED: {
    exit: 1,
    retryable: false,
    fix: 'Install what the model imports for the interpreter that runs it, or correct the import.',
  },
  ...modelErrors,
  ...storeErrors,

  RUNNER_INTERPRETER_MISSING: {
    exit: 1,
    retryable: false,
    fix: 'Install Python 3, or name an interpreter with python: in the func or EDGEBOOT_PYTHON.',
  },
  RUNNER_ENGINE_MISSING: {
    exit: 1,
    retryable: false,
    fix: 'Install what the message names where edgeboot is installed, or in the environment of the model.',
  },
  RUNNER_START_TIMEOUT: {
    exit: 1,
    retryable: true,
    fix: 'The model takes too long to load: look at what its entry file does when it is imported.',
  },
  RUNNER_EXITED: {
    exit: 1,
    retryable: true,
    fix: 'Look at the last lines that the model printed. It is restarted by itself until it is BROKEN.',
  },
  RUNNER_DEADLINE: {
    exit: 1,
    retryable: true,
    fix: 'The model did not answer within timeout: make it faster, or raise timeout of the func.',
  },
  RUNNER_MEMORY: {
    exit: 1,
    retryable: true,
    fix: 'Let the model keep less from event to event, or raise memory of the func.',
  },
  RUNNER_PROTOCOL: {
    exit: 1,
    retryable: true,
    fix: 'The runner sent what the frame protocol does not allow: the model may write to descriptors that are not its own.',
  },

  HOST_EXITED: {
    exit: 1,
    retryable: true,
    fix: 'The log above names what it said last. It is restarted by itself until it is BROKEN; then mend it and reload.',
  },
  HOST_PROTOCOL: {
    exit: 1,
    retryable: true,
    fix: 'It is restarted by itself; the model in it may read or write descriptors that are not its own.',
  },
  HOST_SILENT: {
    exit: 1,
    retryable: true,
    fix: 'It is restarted by itself; a machine that swaps or sleeps looks the same.',
  },

  WEB_PORT_IN_USE: {
    exit: 4,
    retryable: false,
    fix: 'Stop what listens on that port, or give web.port another one.',
  },
  WEB_ADDRESS_INVALID: {
    exit: 4,
    retryable: false,
    fix: 'Give web.host an address of this machine: 127.0.0.1, or 0.0.0.0 for all of them.',
  },
  WEB_TOKEN_MISSING: {
    exit: 3,
    retryable: false,
    fix: 'Give web.token (or web.tokenFile) a secret, or let web.host be 127.0.0.1.',
  },

  BOOT_START_TIMEOUT: {
    exit: 1,
    retryable: false,
    fix: 'A component took too long to start; the log names what it waited for.',
  },
  BOOT_STOP_TIMEOUT: {
    exit: 1,
    retryable: false,
    fix: 'A component did not stop in time and was left behind; the log names it.',
  },
  BOOT_SERVICE_MISSING: {
    exit: 1,
    retryable: false,
    fix: 'Register the starter that provides it, and before the one that asks; find() asks without insisting.',
  },
  BOOT_SERVICE_DUPLICATE: {
    exit: 1,
    retryable: false,
    fix: 'Let one starter provide it, or give the second service a key with another name.',
  },
  INTERNAL_UNEXPECTED: {
    exit: 1,
    retryable: false,
    fix: 'This is a fault of edgeboot: run again with --debug and report what it prints.',
  },
} as const satisfies Record<string, ErrorEntry>

/** A stable, public error code. */
export type ErrorCode = keyof typeof catalogue

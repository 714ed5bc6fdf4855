import type { ErrorEntry } from './error-entry.ts'

/** The part of the catalogue that is about commands: what whoever typed them can do. */
export const cliErrors = {
  CLI_USAGE: {
    exit: 2,
    retryable: false,
    fix: 'Run the command with --help to see what it takes.',
  },
  CLI_NODE_TOO_OLD: {
    exit: 1,
    retryable: false,
    fix: 'Install Node 24.12 or newer, or start edgeboot through npm in a checkout, which brings its own.',
  },
  CLI_APP_INVALID: {
    exit: 3,
    retryable: false,
    fix: 'Let edgeboot.config.ts end with: export default defineApp({ starters: [...] }).',
  },
  CLI_LOG_FILE: {
    exit: 2,
    retryable: false,
    fix: 'Name a file in a folder that this user may write to with --log-file.',
  },
  CLI_MOSQUITTO_MISSING: {
    exit: 1,
    retryable: false,
    fix: 'Install Mosquitto (Debian: apt-get install mosquitto), or name it with --mosquitto.',
  },
  CLI_CHAOS_NOT_READY: {
    exit: 1,
    retryable: false,
    fix: 'Let `edgeboot run` with this configuration become READY first; the log named above says more.',
  },
  CLI_CHAOS_NO_EVENT: {
    exit: 1,
    retryable: false,
    fix: 'Give events that the conditions of the configuration take, with --sample FILE.',
  },
  CLI_CHAOS_LOSS: {
    exit: 5,
    retryable: false,
    fix: 'Look into what the run kept; the same seed repeats it.',
  },
  CLI_NOTHING_CAME_OUT: {
    exit: 1,
    retryable: false,
    fix: 'Read the state and the reason of each pipeline above.',
  },
  CLI_INSTANCE_UNREACHABLE: {
    exit: 4,
    retryable: true,
    fix: 'Start it with edgeboot run, or say where it listens: --url http://HOST:PORT, or --config FILE of the one that runs.',
  },
  CLI_INSTANCE_REFUSED: {
    exit: 1,
    retryable: false,
    fix: 'Do as its answer says; its log may say more.',
  },
} as const satisfies Record<string, ErrorEntry>

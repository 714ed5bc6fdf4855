import type { ErrorEntry } from './error-entry.ts'

/** The part of the catalogue that is about the store of models: versions, proof, and room for them. */
export const storeErrors = {
  MODEL_VERSION_UNKNOWN: {
    exit: 1,
    retryable: false,
    fix: 'Take a version that `edgeboot model list` shows.',
  },
  MODEL_HELD_BACK: {
    exit: 1,
    retryable: false,
    fix: 'Give the func another package; or let this one run all the same with `edgeboot model activate NAME VERSION`.',
  },
} as const satisfies Record<string, ErrorEntry>

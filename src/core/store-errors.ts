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
  MODEL_UNPROVEN: {
    exit: 1,
    retryable: false,
    fix: 'Pack it (edgeboot model pack), then name its modelSha256 or sign it, as models.require asks.',
  },
  MODEL_SIGNATURE_MISSING: {
    exit: 1,
    retryable: false,
    fix: 'Sign it with `edgeboot model sign PACKAGE --key FILE` and put the .minisig beside the package, or say where it is: modelSignature.',
  },
  MODEL_SIGNATURE_INVALID: {
    exit: 1,
    retryable: false,
    fix: 'Do not use this package: ask its author for it anew, with the signature that belongs to it.',
  },
  MODEL_SIGNATURE_UNKNOWN_KEY: {
    exit: 1,
    retryable: false,
    fix: 'If you trust whoever signed it, add that public key to models.keys; else do not use this package.',
  },
  MODEL_KEY_INVALID: {
    exit: 2,
    retryable: false,
    fix: 'Name a key that `edgeboot model sign --generate-key` or minisign -G made, and give its password if it has one.',
  },
  MODEL_DISK_FULL: {
    exit: 1,
    retryable: true,
    fix: 'Make room on the disk of the models folder; `edgeboot model gc` removes what is not needed.',
  },
} as const satisfies Record<string, ErrorEntry>

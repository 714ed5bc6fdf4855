import type { ErrorEntry } from './error-entry.ts'

/** The part of the catalogue that is about model files and what their manifests say of them. */
export const modelErrors = {
  MODEL_FILE_INVALID: {
    exit: 1,
    retryable: false,
    fix: 'Export the model anew and put the whole file into the package; docs/models.md says what each kind takes.',
  },
  MODEL_SAMPLES_INVALID: {
    exit: 1,
    retryable: false,
    fix: 'Correct the file that is named above; docs/models.md shows the form of samples.',
  },
  MODEL_MANIFEST_INVALID: {
    exit: 1,
    retryable: false,
    fix: 'Correct the lines of model.yaml that are named above; `edgeboot schema --model` prints what may be written.',
  },
  MODEL_SAMPLE_FAILED: {
    exit: 1,
    retryable: false,
    fix: 'Correct the model or the sample that is named above; `edgeboot model run` shows what the model answers.',
  },
  MODEL_MANIFEST_MISMATCH: {
    exit: 1,
    retryable: false,
    fix: 'Let the field of model.yaml that is named above say what the model says.',
  },
  MODEL_ENTRY_AMBIGUOUS: {
    exit: 1,
    retryable: false,
    fix: 'Name the one that is meant as entry in a model.yaml.',
  },
  MODEL_ENVIRONMENT_FAILED: {
    exit: 1,
    retryable: true,
    fix: "Read what pip says above: correct requirements.txt, put the wheels into the package's wheels/, or let the index be reached (models.python.index).",
  },
} as const satisfies Record<string, ErrorEntry>

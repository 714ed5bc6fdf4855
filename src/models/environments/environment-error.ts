import { EdgebootError } from '../../core/errors.ts'

/** Says why a model has no environment: `MODEL_ENVIRONMENT_FAILED`. */
export function environmentError(
  model: string,
  where: string,
  reason: string,
  more: { fix?: string; output?: string; cause?: unknown } = {},
): EdgebootError {
  const { fix, output, cause } = more
  return new EdgebootError(
    'MODEL_ENVIRONMENT_FAILED',
    `what model "${model}" requires could not be installed: ${reason}`,
    {
      details: { where, model, ...(output === undefined ? {} : { output }) },
      ...(fix === undefined ? {} : { fix }),
      ...(cause === undefined ? {} : { cause }),
    },
  )
}

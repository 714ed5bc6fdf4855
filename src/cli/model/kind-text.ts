import type { ModelFormat, RuntimeKind } from '../../models/model-package.ts'

/** A kind of model in words: the runtime, and the format where that says more. */
export function kindText({
  runtime,
  format,
}: {
  readonly runtime: RuntimeKind
  readonly format: ModelFormat
}): string {
  return format === 'module' || format === runtime ? runtime : `${runtime} (${format})`
}

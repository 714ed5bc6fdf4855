import { EdgebootError } from '../core/errors.ts'
import { modelNameFault } from '../core/model-name.ts'

/**
 * Makes sure that a model name can be the name of a folder, and of nothing outside that folder.
 *
 * @throws `CONFIG_INVALID` that says what is wrong with the name.
 */
export function assertModelName(name: string): void {
  const fault = modelNameFault(name)
  if (fault === undefined) return
  throw new EdgebootError('CONFIG_INVALID', `the model name ${JSON.stringify(name)} ${fault}`, {
    fix: 'Give modelName a plain name: it becomes the name of a folder under the models folder.',
  })
}

import { dtypes } from '../../core/dtype.ts'
import { z } from 'zod'
import { modelFormats, runtimeKinds } from '../../core/model-kinds.ts'
import { duration, size, text, whole } from '../schema-fields.ts'

/** Inputs, and outputs, of one model. */
const portsMax = 1024
/** Values that one input is put together from. */
const pathsMax = 4096
/** Dimensions of one input or output. */
const dimensionsMax = 8
/** Arguments of a program, and files with samples that are named. */
const listedMax = 64
/** A name, a version, a path of a file. */
const nameCharsMax = 512

const shortText = (description: string) =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(nameCharsMax, `must not have more than ${nameCharsMax} characters`)
    .meta({ description })

const dtype = z.enum(dtypes).meta({ description: 'Type of its elements.' })

const shape = z
  .array(
    z
      .int()
      .min(1)
      .max(2 ** 23),
  )
  .max(dimensionsMax, `must not have more than ${dimensionsMax} dimensions`)
  .meta({ description: 'Of one event, without the dimension of the batch. [] is a scalar.' })

const missing = z
  .union(
    [
      z.enum(['reject', 'skip', 'nan']),
      z.strictObject({
        fill: z
          .union([z.number(), z.string(), z.boolean()], 'must be a number, a text, true or false')
          .meta({ description: 'What takes the place of the missing value.' }),
      }),
    ],
    'must be reject, skip, nan or { fill: VALUE }',
  )
  .meta({
    description:
      'What becomes of an event in which a value is absent, null or not a finite number. reject: an error of the model. skip: nothing is published. nan: NaN in its place. { fill: 0 }: that in its place.',
    default: 'reject',
  })

const samples = shortText('A path, such as tests/*.json.')

const input = z
  .strictObject({
    name: shortText("The model's own name of it; a column for a model that takes a table."),
    path: z
      .union(
        [
          z.string().min(1, 'must not be empty'),
          z
            .array(z.string().min(1, 'must not be empty'))
            .min(1, 'must have a path')
            .max(pathsMax, `must not have more than ${pathsMax} paths`),
        ],
        'must be a path such as telemetry.temperature, or a list of them',
      )
      .meta({
        description:
          'Where in the event it is: telemetry.temperature, telemetry["flow rate"], telemetry.values[3]. A list of paths makes a vector with one element for each. Default: its name, as a key.',
      })
      .optional(),
    dtype: dtype.optional(),
    shape: shape.optional(),
    missing: missing.optional(),
  })
  .meta({ description: 'An input of the model.' })

const output = z
  .strictObject({
    name: shortText("The model's own name of it."),
    path: text(
      'Where in the result it goes: result.label. Default: its name, as a key.',
    ).optional(),
    dtype: dtype.optional(),
    shape: shape.optional(),
  })
  .meta({ description: 'An output of the model that is published.' })

/** The whole `model.yaml`. What belongs together is checked by `check-manifest.ts`. */
export const manifestSchema = z
  .strictObject({
    name: shortText('Name of the model.').optional(),
    version: shortText('Version, as Semantic Versioning has it: 1.4.0, 2.0.0-rc.1.').optional(),
    runtime: z
      .enum(runtimeKinds)
      .meta({ description: 'What runs the model. Default: what entry tells.' })
      .optional(),
    format: z
      .enum(modelFormats as [(typeof modelFormats)[number], ...typeof modelFormats])
      .meta({ description: 'What entry holds. Default: what its name and its content tell.' })
      .optional(),
    entry: shortText(
      'The file that is loaded, relative to the package; for exec the program. Default: what is found.',
    ).optional(),
    args: z
      .array(z.string())
      .max(listedMax, `must not have more than ${listedMax} entries`)
      .meta({ description: 'Arguments of the program of an exec.' })
      .optional(),
    inputs: z
      .array(input)
      .max(portsMax, `must not have more than ${portsMax} entries`)
      .meta({ description: 'Inputs of the model. Default: those it names, by name in the event.' })
      .optional(),
    outputs: z
      .array(output)
      .max(portsMax, `must not have more than ${portsMax} entries`)
      .meta({ description: 'Outputs that are published. Default: all, each under its name.' })
      .optional(),
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
    params: z
      .record(z.string(), z.unknown())
      .meta({
        description: 'Anything; the model sees it as context.params. Those of the func win.',
      })
      .optional(),
    env: z
      .record(z.string(), z.string())
      .meta({ description: 'Environment variables of the model. Those of the func win.' })
      .optional(),
    python: shortText(
      'Interpreter of a Python model: an absolute path, one into the package, or a name on the PATH.',
    ).optional(),
    tests: z
      .union(
        [samples, z.array(samples).max(listedMax, `must not have more than ${listedMax} entries`)],
        'must be a path such as tests/*.json, or a list of them',
      )
      .meta({
        description:
          'Files with samples, relative to the package; * stands for anything in the last part.',
        default: 'tests/*.json',
      })
      .optional(),
  })
  .meta({
    title: 'edgeboot model manifest',
    description: 'model.yaml: what a model package holds, and how it is run.',
  })

/** A manifest as it is written. */
export type NativeManifest = z.infer<typeof manifestSchema>

/** The JSON Schema of `model.yaml`, for editors. */
export function manifestJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(manifestSchema, { io: 'input' }) }
}

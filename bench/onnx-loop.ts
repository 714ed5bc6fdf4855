/**
 * The other side of `onnx.ts`: nothing but `session.run` on one batch, again and again, in a process
 * like that of a runner. `node onnx-loop.ts MODEL ITEMS SECONDS` prints the events per second.
 */
import { createModelLog } from '../src/runtime/model-log.ts'
import { resultBytesMax } from '../src/runtime/batch-codec.ts'
import { openOnnxModel } from '../src/runtime/onnx/onnx-model.ts'
import { bindInputs } from '../src/runtime/tensors/bind-inputs.ts'
import { bindOutputs } from '../src/runtime/tensors/bind-outputs.ts'
import { InputColumn } from '../src/runtime/tensors/input-column.ts'
import { benchModels } from './onnx-models.ts'

const [, , name = '', items = '', seconds = ''] = process.argv
const model = benchModels[name]
if (model === undefined) throw new Error(`no model ${name}`)
const count = Number(items)

const opened = await openOnnxModel({
  model: model.package,
  constants: { rule: 'b', model: model.package, params: {}, log: createModelLog(() => {}) },
  resultBytesMax,
})
const { manifest } = model.package
const columns = bindInputs(opened, manifest).map((binding) => new InputColumn(binding))
const wanted = bindOutputs(opened, manifest, Infinity).map((output) => output.name)
for (const column of columns) {
  column.reserve(count)
  for (let row = 0; row < count; row++) column.take(JSON.parse(model.event(row)), row)
}
const feeds = new Map(columns.map((column) => [column.name, column.tensor(count)]))

const warmUpUntil = performance.now() + 1_000
while (performance.now() < warmUpUntil) await opened.run(feeds, wanted)
const start = performance.now()
let runs = 0
while (performance.now() - start < Number(seconds) * 1_000) {
  await opened.run(feeds, wanted)
  runs += 1
}
process.stdout.write(`${(runs * count) / ((performance.now() - start) / 1_000)}\n`)
await opened.close()

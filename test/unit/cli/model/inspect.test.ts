import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { addInspectCommand } from '../../../../src/cli/model/inspect.ts'
import { root } from '../../../support/markdown.ts'
import { needsScience, pythonMakes } from '../../../support/python-pickles.ts'
import { Scratch } from '../../../support/scratch.ts'
import { plainZip, rawZip } from '../../../support/zip-bytes.ts'
import { runCommand, type CommandRun } from '../run-command.ts'

async function open(context: TestContext): Promise<Scratch> {
  const scratch = await Scratch.make()
  context.after(() => scratch[Symbol.asyncDispose]())
  return scratch
}

const inspect = (scratch: Scratch, ...args: string[]): Promise<CommandRun> =>
  runCommand(addInspectCommand, ['inspect', ...args], {
    cwd: scratch.folder,
    env: { PATH: '/usr/bin:/bin' },
  })

const canary = `
import os, pickle, numpy as np
class Evil:
    def __reduce__(self): return (os.system, ('touch canary',))
`

test('tells what a zip is and holds, without unpacking it anywhere near', async (context) => {
  const scratch = await open(context)
  const zip = await plainZip({
    'm/index.py': 'handler = None\n',
    'm/tests/one.json': '[]',
    'm/wheels/numpy-1.24.2-cp36-cp36m-win_amd64.whl': 'x',
    'm/big.bin': Buffer.alloc(5000, 1),
  })
  await scratch.write('m.zip', zip)
  await scratch.write('m.zip.minisig', 'untrusted comment: …')
  const { stdout, status } = await inspect(scratch, 'm.zip')
  assert.equal(status, 0)
  assert.match(stdout, /^kind +python, started from index\.py$/m)
  assert.match(stdout, /^signature +m\.zip\.minisig$/m)
  assert.match(stdout, /^samples +tests\/one\.json$/m)
  assert.match(stdout, /^files +4, 4\.9 KiB\n +4\.9 KiB +big\.bin$/m)
  assert.match(stdout, /^warn +wheels\/numpy.*: the wheel of numpy 1\.24\.2 is for win_amd64/m)
  assert.deepEqual((await readdir(scratch.folder)).toSorted(), ['m.zip', 'm.zip.minisig'])
})

test(
  'a pickle that would run a program is a danger wherever it hides',
  { skip: needsScience() },
  async (context) => {
    const scratch = await open(context)
    await mkdir(scratch.path('m'))
    pythonMakes(
      scratch.path('m'),
      `${canary}
os.mkdir('.hidden')
pickle.dump(Evil(), open('.hidden/a', 'wb'))
pickle.dump(Evil(), open('b.pkl', 'wb'), protocol=0)
np.save('c.npy', np.array([Evil()], dtype=object))
np.savez_compressed('d.npz', plain=np.zeros(3), objects=np.array([Evil()], dtype=object))
np.save('plain.npy', np.zeros(3))`,
    )
    const { stdout, status } = await inspect(scratch, 'm')
    assert.equal(status, 1)
    for (const file of ['.hidden/a', 'b.pkl', 'c.npy', 'd.npz!objects.npy']) {
      assert.ok(
        stdout.includes(`DANGER  ${file}: this pickle calls posix.system with ("touch canary")`),
      )
    }
    assert.ok(!existsSync(scratch.path('m', 'canary')) && !existsSync(scratch.path('canary')))
    const script = 'import zipfile\nwith zipfile.ZipFile("z.zip", "w") as z: z.write("m/.hidden/a")'
    pythonMakes(scratch.folder, script)
    const zipped = await inspect(scratch, 'z.zip')
    assert.match(zipped.stdout, /^DANGER +\.?hidden\/a|^DANGER +a: /m)
  },
)

test(
  'tells the package’s own classes from those of a notebook and of others',
  { skip: needsScience() },
  async (context) => {
    const scratch = await open(context)
    await scratch.write('m/shop.py', 'class Cart: pass\n')
    await scratch.write('elsewhere.py', 'class Thing: pass\n')
    pythonMakes(
      scratch.path('m'),
      `import pickle, sys
sys.path[:0] = ['.', '..']
sys.dont_write_bytecode = True
import shop, elsewhere
class Mine: pass
pickle.dump([shop.Cart(), elsewhere.Thing(), Mine()], open('x.pkl', 'wb'))`,
    )
    const { stdout, status } = await inspect(scratch, 'm')
    assert.equal(status, 0)
    assert.match(stdout, /^info +x\.pkl: this pickle names shop\.Cart: the package’s own code$/m)
    assert.match(stdout, /^warn +x\.pkl: this pickle names elsewhere\.Thing: no known scientific/m)
    assert.match(
      stdout,
      /^warn +x\.pkl: .*__main__\.Mine, which was defined in a script or a note/m,
    )
  },
)

test('names a virtual environment in a folder, which is not looked into', async (context) => {
  const scratch = await open(context)
  await scratch.write('m/index.py', 'handler = None\n')
  await scratch.write('m/.venv/pyvenv.cfg', 'home = /usr/bin\n')
  await scratch.write('m/.venv/a.pkl', 'not looked into')
  await scratch.write('m/.cache/notes.txt', 'nothing to tell of')
  const { stdout, status } = await inspect(scratch, 'm')
  assert.match(stdout, /^warn +\.venv\/: a virtual environment, which is neither packed nor/m)
  assert.doesNotMatch(stdout, /a\.pkl|notes/)
  assert.match(stdout, /^files +1, /m)
  assert.equal(status, 0)
})

test('tells of an ONNX model what it is made of, takes and gives', async (context) => {
  const scratch = await open(context)
  const { stdout, status } = await inspect(scratch, join(root, 'examples/models/onnx'))
  const said = /^info +model\.onnx: (.*)$/gm
  const [what, takes, gives] = [...stdout.matchAll(said)].map(([, text]) => text)
  assert.equal(
    what,
    'ONNX with operators of opset 14, ai.onnx.ml 1, IR version 8, made by skl2onnx 1.14.1',
  )
  assert.match(String(takes), /^it takes "temperature" float32\[\?, 1\], .*"oil" string\[\?, 1\]$/)
  assert.equal(gives, 'it gives "output_label" string[?], "output_probability" a list')
  assert.equal(status, 0)
})

test('misses weights that an ONNX model has in another file', async (context) => {
  const scratch = await open(context)
  await mkdir(scratch.path('m'))
  const model = join(root, 'test/fixtures/models/onnx/weights-elsewhere.onnx')
  await copyFile(model, scratch.path('m', 'model.onnx'))
  for (const named of ['m', 'm/model.onnx']) {
    const { stdout } = await inspect(scratch, named)
    assert.match(stdout, /^warn +model\.onnx: .*should be in weights\.bin, which is missing$/m)
  }
  await scratch.write('m/weights.bin', 'w')
  for (const named of ['m', 'm/model.onnx']) {
    const { stdout } = await inspect(scratch, named)
    assert.doesNotMatch(stdout, /missing/)
    assert.match(stdout, /^info +model\.onnx: .* in weights\.bin$/m)
  }
})

test('says of an ONNX model that it is cut short', async (context) => {
  const scratch = await open(context)
  const model = await readFile(join(root, 'examples/models/onnx/model.onnx'))
  await scratch.write('cut.onnx', model.subarray(0, 9000))
  const { stdout, status } = await inspect(scratch, 'cut.onnx')
  assert.match(stdout, /^warn +cut\.onnx: it is truncated or no ONNX model: a field claims/m)
  assert.equal(status, 0)
})

test('a zip that unpacking refuses is a danger, with the reason', async (context) => {
  const scratch = await open(context)
  await scratch.write('slip.zip', rawZip([{ name: '../../evil.py', content: 'x' }]))
  const bomb = [{ name: 'a', content: Buffer.alloc(80_000_000), deflate: true }]
  await scratch.write('bomb.zip', rawZip(bomb))
  for (const [file, reason] of [
    [
      'slip.zip',
      /^DANGER +the package is refused: .*"\.\.\/\.\.\/evil\.py" has a path with "\.\."/m,
    ],
    ['bomb.zip', /^DANGER +the package is refused: it unpacks to more than .* a bomb/m],
  ] as const) {
    const { stdout, status } = await inspect(scratch, file)
    assert.equal(status, 1)
    assert.match(stdout, reason)
  }
})

test('gives a program all of it as JSON, and finds a model by its name', async (context) => {
  const scratch = await open(context)
  await scratch.write('models/pumps/index.py', 'handler = None\n')
  const { stdout } = await inspect(scratch, 'pumps', '--json')
  const report = JSON.parse(stdout) as { kind: string; entry: object; findings: object[] }
  assert.equal(report.kind, 'folder')
  assert.deepEqual(report.entry, { runtime: 'python', format: 'module', file: 'index.py' })
  assert.deepEqual(report.findings, [])
})

test('an author cannot write to the terminal', async (context) => {
  const scratch = await open(context)
  await scratch.write('x.pkl', 'cshop\n\u001b[2JCart\n.')
  const { stdout } = await inspect(scratch, 'x.pkl')
  assert.ok(!stdout.includes('\u001b'))
  assert.match(stdout, /shop\.\\u001b\[2JCart/)
})

test('says so when there is nothing of that name', async (context) => {
  const scratch = await open(context)
  await assert.rejects(inspect(scratch, 'nothing'), { code: 'MODEL_NOT_FOUND' })
})

test('shows the mistakes of a manifest with their lines, of a zip as well', async (context) => {
  const scratch = await open(context)
  const files = { 'index.py': 'handler = None\n', 'model.yaml': 'version: 1.0.0\nnmae: x\n' }
  await scratch.write('m.zip', await plainZip(files))
  const { stdout } = await inspect(scratch, 'm.zip')
  assert.match(stdout, /^warn +model\.yaml has 1 mistake:\n +model\.yaml:2:1: unknown key "nmae"/m)
})

import assert from 'node:assert/strict'
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { scanPickle, type PickleReport } from '../../../../src/models/inspect/scan-pickle.ts'
import { needsScience, pythonMakes } from '../../../support/python-pickles.ts'
import { needs } from '../../../support/requirements.ts'
import { Scratch } from '../../../support/scratch.ts'

const bytesMax = 64 * 1024 * 1024
const python = { skip: needs('/usr/bin/python3', 'apt-get install python3') }
const science = { skip: needsScience() }

function scan(bytes: Uint8Array, options: { bytesMax?: number } = {}): Promise<PickleReport> {
  return scanPickle(() => pieces(bytes), { bytesMax, ...options })
}

/** In pieces so small that every argument is torn somewhere. */
async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7)
}

async function made(context: TestContext, script: string): Promise<[Scratch, string[]]> {
  const scratch = await Scratch.make()
  context.after(() => scratch[Symbol.asyncDispose]())
  return [scratch, pythonMakes(scratch.folder, script)]
}

const scanFile = (scratch: Scratch, name: string): Promise<PickleReport> =>
  scanPickle(() => createReadStream(scratch.path(name)) as AsyncIterable<Uint8Array>, { bytesMax })

const beyond = ({ names }: PickleReport): string[] =>
  names
    .filter(({ verdict }) => verdict !== 'known')
    .map(({ verdict, text }) => `${verdict}: ${text}`)

test(
  'finds nothing but known names in what scikit-learn and numpy write',
  science,
  async (context) => {
    const [scratch, files] = await made(
      context,
      `
import collections, datetime, decimal, functools, pickle
import joblib, numpy as np, scipy.sparse
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
X = np.random.RandomState(0).rand(40, 3)
y = (X[:, 0] > 0.5).astype(int)
models = dict(
    pipe=make_pipeline(ColumnTransformer([('s', StandardScaler(), [0, 1])], remainder=OneHotEncoder(handle_unknown='ignore')), LogisticRegression()),
    forest=RandomForestClassifier(3), boost=GradientBoostingRegressor(n_estimators=3), hist=HistGradientBoostingRegressor(max_iter=3),
    near=KNeighborsClassifier(), sgd=SGDClassifier(), svc=SVC(), log=FunctionTransformer(np.log1p))
for name, model in models.items():
    model.fit(X, y)
    for protocol in range(6):
        pickle.dump(model, open(f'{name}.p{protocol}', 'wb'), protocol=protocol)
    joblib.dump(model, f'{name}.joblib')
    joblib.dump(model, f'{name}.zlib', compress=('zlib', 3))
    joblib.dump(model, f'{name}.gzip', compress=('gzip', 3))
arrays = dict(objects=np.array(['a', {}, None], dtype=object), record=np.zeros(5, dtype=[('a', 'f4'), ('b', 'O')]),
    plain=np.zeros(3, dtype=[('a', 'f4'), ('b', 'i8')]), text=np.array(['abc', 'd']), scalar=np.float64(3), zero=np.array(5.0),
    dates=np.array(['2020-01-01'], dtype='M8[D]'), empty=np.zeros((0, 3)), fortran=np.asfortranarray(np.ones((3, 4))))
joblib.dump(arrays, 'arrays.joblib')
values = [collections.OrderedDict(a=1), datetime.datetime.now(), decimal.Decimal('1'), functools.partial(int, base=2),
    scipy.sparse.csr_matrix(X), np.random.RandomState(1), np.random.default_rng(1), b'abc', {1, 2}, 10 ** 40, 1.5, 'x' * 5000]
for protocol in range(6):
    pickle.dump(values, open(f'values.p{protocol}', 'wb'), protocol=protocol)
`,
    )
    assert.equal(files.length, 8 * 9 + 1 + 6)
    for (const file of files) {
      const report = await scanFile(scratch, file)
      assert.deepEqual([file, beyond(report), report.notes], [file, [], []])
      assert.ok(report.names.length > 0, file)
    }
  },
)

const evil = `
import os, pickle, subprocess
class Evil:
    def __init__(self, *reduced): self.reduced = reduced
    def __reduce__(self): return self.reduced
    def __call__(self): pass
def write(name, *reduced, protocol=4):
    pickle.dump([1, Evil(*reduced)], open(name, 'wb'), protocol=protocol)
`

test('tells of a program that a pickle of any protocol would run', python, async (context) => {
  const [scratch, files] = await made(
    context,
    `${evil}
for protocol in range(6): write(f'{protocol}.pkl', os.system, ('touch canary',), protocol=protocol)`,
  )
  for (const file of files) {
    const report = await scanFile(scratch, file)
    assert.deepEqual(beyond(report), ['danger: calls posix.system with ("touch canary")'])
  }
  assert.ok(!existsSync(scratch.path('canary')))
})

test('tells of every known way to run what one likes', python, async (context) => {
  const [scratch, files] = await made(
    context,
    `${evil}
import builtins, codecs, functools, importlib, operator, runpy, shutil, socket, timeit
write('a', eval, ('1',)); write('b', exec, ('1',)); write('c', getattr, (1, 'real')); write('d', __import__, ('os',))
write('e', importlib.import_module, ('os',)); write('f', subprocess.Popen, ('ls',)); write('g', runpy.run_path, ('x',))
write('h', shutil.rmtree, ('/nowhere',)); write('i', socket.create_connection, (('127.0.0.1', 1),)); write('j', timeit.timeit, ('1',))
write('k', pickle.loads, (b'',)); write('l', operator.methodcaller, ('x',)); write('m', functools.partial(os.system, 'x'), ())
write('n', compile, ('1', 'x', 'exec')); write('o', open, ('x', 'w')); write('p', Evil(os.system, ('x',)), ())`,
  )
  for (const file of files) {
    const found = beyond(await scanFile(scratch, file))
    assert.match(found.join('\n'), /^danger: /m, `${file}: ${found.join()}`)
  }
})

test('follows the arrays of joblib, and what stands behind them', science, async (context) => {
  const [scratch] = await made(
    context,
    `${evil}
import joblib, numpy as np
joblib.dump({'a': np.ones(5000), 'b': Evil(os.system, ('touch canary',))}, 'behind.joblib')
hidden = b"cposix\\nsystem\\n(S'touch canary'\\ntR."
joblib.dump({'a': np.frombuffer(hidden, dtype=np.uint8), 'b': 1}, 'within.joblib')`,
  )
  const danger = ['danger: calls posix.system with ("touch canary")']
  assert.deepEqual(beyond(await scanFile(scratch, 'behind.joblib')), danger)
  // joblib takes it for an array. Without the padding in between, pickle.load would run it.
  const whole = readFileSync(scratch.path('within.joblib'))
  const at = whole.indexOf('cposix')
  const unpadded = Buffer.from(whole)
  // The length of the padding and the padding itself become harmless opcodes: marks.
  unpadded.fill('(', whole.lastIndexOf(0x62, at) + 1, at)
  assert.deepEqual(beyond(await scan(unpadded)), danger)
  assert.ok(!existsSync(scratch.path('canary')))
})

const text = (value: string): string => `S'${value}'\n`
const crafted: readonly (readonly [title: string, pickle: string | Buffer, found: RegExp])[] = [
  ['by names in escapes', `\x80\x04S'\\x6f\\163'\nS'system'\n\x93.`, /danger: names os\.system/],
  ['by a name of Python 2', 'c__builtin__\neval\n.', /danger: names builtins\.eval/],
  ['by INST', `(${text('id')}iposix\nsystem\n.`, /danger: calls posix\.system with \("id"\)/],
  ['by OBJ', `(cposix\nsystem\n${text('id')}o.`, /danger: calls posix\.system/],
  ['by walking along dots', `\x80\x04cnumpy\ncore.os.system\n.`, /danger: names numpy\.core\.os/],
  [
    'by the function finder of numpy',
    `cnumpy.core\n_ufunc_reconstruct\n(${text('os')}${text('system')}tR(${text('id')}tR.`,
    /danger: calls os\.system with \("id"\)/,
  ],
  ['by a name that is computed', `\x80\x04N${text('x')}\x93.`, /danger: names something by a text/],
  [
    'by calling what a call gave',
    'cnumpy\ndtype\n)R)R.',
    /danger: calls what numpy\.dtype\(…\) gives/,
  ],
  ['by changing a module', `ccollections\n_sys\n}${text('modules')}Nsb.`, /danger: changes collec/],
  ['by the extension registry', '\x82\x01.', /danger: uses a name from the extension registry/],
  ['by the remembered', 'cposix\nsystem\np9\n0g9\n(tR.', /danger: calls posix\.system with \(\)/],
  ['in a second pickle', 'N.cposix\nsystem\n.', /danger: names posix\.system/],
  ['before it breaks', `cposix\nsystem\n(${text('id')}tR\xff`, /danger: calls posix\.system/],
  ['by a function of a library', 'cnumpy\nfancy\n(tR.', /unknown: calls numpy\.fancy/],
  ['by what is not known', 'cshop\nCart\n(tR.', /unknown: calls shop\.Cart/],
]

for (const [title, pickle, found] of crafted) {
  test(`tells of what is reached ${title}`, async () => {
    const report = await scan(Buffer.from(pickle as string, 'latin1'))
    assert.match(beyond(report).join('\n'), found)
  })
}

test('a pickle that cannot be followed to its end is a danger', async () => {
  const longLine = Buffer.from(`I${' '.repeat(300_000)}1\n.`)
  assert.match((await scan(longLine)).notes[0]?.text ?? '', /cannot be followed: a line too long/)
  const wrapper = 'cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}b.'
  const { notes } = await scan(Buffer.from(wrapper, 'latin1'))
  assert.deepEqual(notes[0]?.level, 'danger')
  assert.match(notes[0]?.text ?? '', /an array whose size cannot be told/)
})

test('an inflated pickle is held to the limit', async () => {
  const bomb = deflateSync(Buffer.concat([Buffer.from('B\0\0\0\u0010'), Buffer.alloc(20_000_000)]))
  const { notes } = await scan(bomb, { bytesMax: 1_000_000 })
  assert.deepEqual(notes[0]?.level, 'danger')
  assert.match(notes[0]?.text ?? '', /more than 1000000 bytes/)
})

test('says of a compression that it cannot read which one it is', async () => {
  const { notes } = await scan(Buffer.from('BZh91AY&SY'))
  assert.match(notes[0]?.text ?? '', /compressed with bzip2/)
})

test('says where a pickle is cut off or damaged, at every length', python, async (context) => {
  const [scratch] = await made(context, `${evil}\nwrite('x', print, ('a',))`)
  const whole = readFileSync(scratch.path('x'))
  for (let bytes = 0; bytes < whole.length; bytes++) {
    const { notes } = await scan(whole.subarray(0, bytes))
    assert.match(notes[0]?.text ?? '', /cut off at byte|cannot be followed/, `${bytes}`)
  }
})

test('whatever the bytes are, there is a report', async () => {
  const alphabet = Buffer.from(
    '(.012FIJKLMNPQRSTUVXabcdeghijlopqrstu}])GBC\x80\x81\x82\x85\x86\x87\x88\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98\n\x00\x01\x02os',
    'latin1',
  )
  const opcode = fc.constantFrom(...alphabet)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(opcode, fc.nat(255)), { maxLength: 200 }), async (bytes) => {
      const { notes, names } = await scan(Buffer.from(bytes))
      assert.ok(Array.isArray(notes) && Array.isArray(names))
    }),
    { numRuns: 1000 },
  )
})

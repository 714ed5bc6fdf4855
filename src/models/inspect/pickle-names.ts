/**
 * How far a name that a pickle uses can be trusted. `known` is data of scientific libraries;
 * `unknown` may be anything; `danger` runs programs, code or further pickles.
 */
export type NameVerdict = 'known' | 'unknown' | 'danger'

/** What Python 3 looks for when a pickle of Python 2 asks for these modules. */
const renamedModules: ReadonlyMap<string, string> = new Map([
  ['__builtin__', 'builtins'],
  ['copy_reg', 'copyreg'],
  ['commands', 'subprocess'],
  ['cPickle', 'pickle'],
  ['urllib2', 'urllib.request'],
  ['httplib', 'http.client'],
])

/** Nothing that a model is made of comes from these, or from what lies below them. */
const dangerousModules = words(`
  os posix nt sys subprocess _posixsubprocess popen2 pty platform importlib imp runpy pkgutil
  zipimport site code codeop types pickle _pickle dill cloudpickle marshal shelve jsonpickle
  socket _socket ssl http urllib urllib3 requests ftplib smtplib telnetlib xmlrpc webbrowser
  socketserver asyncio select paramiko shutil tempfile io _io glob fileinput zipfile tarfile
  mmap ctypes _ctypes cffi signal gc inspect linecache atexit sqlite3 multiprocessing threading
  _thread concurrent timeit profile cProfile pdb bdb trace doctest unittest pydoc pip setuptools
  distutils venv ensurepip lib2to3 idlelib logging.config _xxsubinterpreters numpy.testing
  numpy.f2py numpy.distutils numpy.ctypeslib numpy.lib.npyio numpy.lib.format
  numpy.lib._npyio_impl pandas.core.computation pandas.io joblib.externals joblib.memory
  joblib.parallel joblib._memmapping_reducer scipy.io scipy.weave sklearn.externals
  sklearn.datasets torch.hub torch.jit torch.utils torch.serialization torch.multiprocessing
  torch.distributed torch._dynamo torch._inductor tensorflow keras
`)

/** Single names that are no data, in modules that else are known. */
const dangerousNames: ReadonlySet<string> = new Set(
  words(`
  builtins.eval builtins.exec builtins.compile builtins.open builtins.getattr builtins.setattr
  builtins.delattr builtins.__import__ builtins.globals builtins.locals builtins.vars
  builtins.input builtins.breakpoint builtins.execfile builtins.apply operator.attrgetter
  operator.methodcaller _operator.attrgetter _operator.methodcaller codecs.open numpy.load
  numpy.fromfile numpy.memmap pandas.eval pandas.read_pickle pandas.read_csv pandas.read_table
  pandas.read_sql pandas.read_hdf joblib.load joblib.dump joblib.numpy_pickle.load torch.load
  joblib.numpy_pickle.dump joblib.numpy_pickle_compat.load_compatibility
  joblib.numpy_pickle_compat.ZNDArrayWrapper joblib.numpy_pickle_compat.NDArrayWrapper
  logging.FileHandler functools.reduce copyreg.add_extension copyreg.pickle
`),
)

function words(text: string): string[] {
  return text.trim().split(/\s+/)
}

/** Libraries whose classes are what fitted models are made of, and modules of plain values. */
const knownModules = words(`
  numpy scipy sklearn pandas joblib xgboost lightgbm catboost statsmodels imblearn
  category_encoders torch skl2onnx threadpoolctl collections datetime decimal fractions array
  uuid enum random copyreg pathlib ipaddress zoneinfo pytz dateutil numbers string
`)

/** Single names that are known, in modules that are not as a whole. */
const knownNames: ReadonlySet<string> = new Set(
  words(`
  builtins.object builtins.list builtins.dict builtins.set builtins.frozenset builtins.tuple
  builtins.bytes builtins.bytearray builtins.str builtins.int builtins.float builtins.complex
  builtins.bool builtins.slice builtins.range builtins.xrange builtins.type builtins.len
  builtins.NoneType builtins.Ellipsis builtins.NotImplemented builtins.print builtins.abs
  builtins.min builtins.max builtins.sum builtins.unicode builtins.long builtins.round
  builtins.sorted builtins.repr builtins.property builtins.super _codecs.encode
  functools.partial operator.itemgetter _operator.itemgetter types.SimpleNamespace re._compile
  re.compile itertools.chain itertools.count
`),
)

/** Functions that the libraries' own objects are put together with. All others are told of. */
const knownFunctions =
  /^(?:numpy\.(?:core|_core)\.(?:multiarray\.(?:_reconstruct|scalar)|numeric\._frombuffer|_ufunc_reconstruct)|numpy\.(?:dtype|ndarray|matrix|recarray|bool_|u?int\d*|float\d+|complex\d+|datetime64|timedelta64|str_|bytes_)|numpy\.(?:core|_core)\.records\.recarray|numpy\.random\._pickle\.__\w+_ctor|numpy\.ma\.core\._mareconstruct|copyreg\.(?:_reconstructor|__newobj__|__newobj_ex__)|array\._array_reconstructor|array\.array|datetime\.\w+|collections\.(?:deque|defaultdict)|decimal\.\w+|pytz\._\w+|zoneinfo\.\w+|pandas\._libs\.(?:\w+\.)*(?:_unpickle_\w+|__pyx_unpickle_\w+|_timestamp_unpickle)|pandas\.core\.indexes\.(?:\w+)\.(?:_new_\w+)|pandas\.core\.internals\.\w+\.\w*|torch\._utils\._rebuild_\w+|torch\.(?:Size|device|dtype|float\d+|int\d+)|(?:sklearn|scipy)\.(?:\w+\.)*(?:__pyx_unpickle_\w+|newObj)|scipy\.sparse\.(?:\w+\.)*\w+_(?:matrix|array)|scipy\.stats\.(?:\w+\.)*(?:\w+_gen|rv_\w+)|scipy\.interpolate\.(?:\w+\.)*interp1d)$/

/** A name as Python 3 would look for it. */
export function resolvedModule(module: string): string {
  return renamedModules.get(module) ?? module
}

/**
 * Judges a name by where it comes from and whether it is called. It is a list of what is known to
 * be harmless and of what is known not to be, not a proof: `unknown` is what nobody looked at.
 *
 * @param isCalled - As a function; making an object of a class without arguments of its own is none.
 */
export function judgeName(module: string, name: string, isCalled: boolean): NameVerdict {
  const full = `${module}.${name}`
  if (knownNames.has(full)) return 'known'
  if (dangerousNames.has(full) || isBelow(full, dangerousModules)) return 'danger'
  // Protocol 4 walks along the dots: `numpy` and `os.system` would be `numpy.os.system`.
  if (name.includes('.') && isBelow(module, [...knownModules, 'builtins', 'functools'])) {
    return 'danger'
  }
  if (!isBelow(module, knownModules)) return 'unknown'
  if (!isCalled || knownFunctions.test(full)) return 'known'
  // Classes begin with a capital letter; a function could do anything.
  return /^_*[A-Z]/.test(name) ? 'known' : 'unknown'
}

function isBelow(name: string, modules: readonly string[]): boolean {
  return modules.some((module) => name === module || name.startsWith(`${module}.`))
}

"""The Python end of edgeboot's frame protocol: loads one model and answers events.

Started by edgeboot as ``python3 edgeboot_worker.py NAME`` with four extra descriptors: frames come
in on 3 and go out on 4, on SIGUSR1 the stacks of all threads are written to 5, and 6 is a file of
two words, in which the event that the model works on is marked.
``src/runtime/frame.ts`` describes the frames. What the model prints goes to
stdout and stderr, which edgeboot turns into log lines, and never mixes with frames.

Standard library only; Python 3.6 to 3.13. ``docs/writing-models.md`` says what a model may expect.
"""

import sys

if sys.version_info < (3, 6):
    version = sys.version.split()[0]
    sys.exit("edgeboot needs Python 3.6 or newer; %s is %s" % (sys.executable, version))

import atexit
import faulthandler
import fcntl
import gc
import importlib
import importlib.util
import inspect
import io
import itertools
import json
import os
import signal
import struct
import time
import traceback
import types
from collections.abc import Iterator, Sequence

try:
    from _thread import allocate_lock
except ImportError:  # an interpreter without threads
    allocate_lock = None

FRAMES_IN = 3
FRAMES_OUT = 4
STACKS_OUT = 5
PROGRESS = 6

# The mark of progress: the number of a batch, and the index of an event in it or NO_EVENT.
PROGRESS_BYTES = 8
BATCH, INDEX = 0, 1
NO_EVENT = 0xFFFFFFFF

# Where the descriptor for stacks is moved to, out of the way of models that close what they see.
STACKS_OUT_FROM = 200

START, INFER, DRAIN = 1, 2, 3
READY, FAILED, RESULT, LOG = 129, 130, 131, 132
EMPTY, VALUE, ERROR = 0, 1, 2

READ_BYTES = 256 * 1024
FLUSH_BYTES = 1024 * 1024
FLUSH_AFTER_SECONDS = 0.005
TRACEBACK_BYTES_MAX = 8 * 1024
MESSAGE_CHARS_MAX = 2 * 1024
LOG_CHARS_MAX = 4 * 1024
LOG_FIELDS_CHARS_MAX = 16 * 1024

# What pyboot would not publish, as JSON text.
UNPUBLISHED = frozenset(["null", '"null"', "{}", '"{}"'])
LONGEST_UNPUBLISHED = 6

# What loads a format, besides code with a handler: a module beside this file. Its
# ``load(model, log)`` returns a function of (events, contexts) that answers with one result per
# event, or an exception that is the event's error; what it cannot load it raises LoadFailure for.
LOADERS = {
    "estimator": "edgeboot_estimator",
    "saved-model": "edgeboot_tensorflow",
    "keras": "edgeboot_tensorflow",
    "tflite": "edgeboot_tensorflow",
}

# pyboot keeps models in this package; theirs import each other and their own parts by it.
SCIENCE = "pyboot.modules.gridsum.science"


# --- frames ---------------------------------------------------------------------------------------


class FrameInput(object):
    """Reads frames; a frame usually arrives in one system call."""

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self._data = b""
        self._at = 0

    def read(self):
        """The next frame as (type, memoryview of the body), or None when the other end is gone."""
        header = self._take(5)
        if header is None:
            return None
        length, kind = struct.unpack(">IB", header)
        body = self._take(length - 1)
        return None if body is None else (kind, body)

    def _take(self, count):
        end = self._at + count
        if end <= len(self._data):
            taken = memoryview(self._data)[self._at : end]
            self._at = end
            return taken
        held = self._data[self._at :]
        if count > READ_BYTES:
            return self._take_large(held, count)
        pieces = [held]
        missing = count - len(held)
        while missing > 0:
            piece = os.read(self._descriptor, READ_BYTES)
            if not piece:
                return None
            pieces.append(piece)
            missing -= len(piece)
        self._data = b"".join(pieces)
        self._at = count
        return memoryview(self._data)[:count]

    def _take_large(self, held, count):
        """Reads into one buffer of the right size: nothing is joined."""
        body = bytearray(count)
        body[: len(held)] = held
        self._data = b""
        self._at = 0
        view = memoryview(body)
        at = len(held)
        while at < count:
            read = os.readv(self._descriptor, [view[at:]])
            if read == 0:
                return None
            at += read
        return view


class FrameOutput(object):
    """Writes frames, whole ones, also when threads of the model log at the same time."""

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self._lock = allocate_lock() if allocate_lock else None

    def write(self, kind, parts):
        length = 1 + sum(map(len, parts))
        data = memoryview(b"".join([struct.pack(">IB", length, kind)] + parts))
        if self._lock:
            self._lock.acquire()
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BrokenPipeError:
            os._exit(0)  # nobody is left to answer to
        finally:
            if self._lock:
                self._lock.release()

    def write_json(self, kind, value):
        self.write(kind, [json.dumps(value).encode("utf-8")])


# --- what a handler gets --------------------------------------------------------------------------


class Log(object):
    """``context.log``: lines with fields, in edgeboot's own log."""

    def __init__(self, output):
        self._output = output

    def debug(self, message, **fields):
        self._write("debug", message, fields)

    def info(self, message, **fields):
        self._write("info", message, fields)

    def warn(self, message, **fields):
        self._write("warn", message, fields)

    warning = warn

    def error(self, message, **fields):
        self._write("error", message, fields)

    def event(self, level, name, **fields):
        """A line of edgeboot's own; ``docs/logging.md`` lists their names."""
        self._output.write_json(LOG, {"level": level, "event": name, "fields": fields})

    def _write(self, level, message, fields):
        text = json.dumps(fields, default=str)
        if len(text) > LOG_FIELDS_CHARS_MAX:
            text = '{"fields": "left out: too large"}'
        fields = dict(json.loads(text), message=str(message)[:LOG_CHARS_MAX])
        self._output.write_json(LOG, {"level": level, "event": "model.log", "fields": fields})


class Record(dict):
    """A dict whose keys are attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name)


class Context(object):
    """The second argument of a handler: what is known of an event besides its payload.

    Everything is there as an attribute, as ``context["topic"]``, and through ``context.get``.
    The part that differs from event to event is parsed when it is first asked for.
    """

    # Known for every event, whether the broker told it or not.
    _ABSENT = {
        "topic": None,
        "qos": 0,
        "retain": False,
        "userProperties": {},
        "receivedAt": None,
        "device": None,
        "deadline": None,
    }

    def __init__(self, constants, raw):
        self.__dict__.update(constants)
        self._raw = raw

    def __getattr__(self, name):
        raw = self.__dict__.pop("_raw", None)
        if raw is None:
            raise AttributeError("context has no %r" % name)
        values = dict(self._ABSENT)
        if len(raw):
            values.update(json.loads(str(raw, "utf-8")))
        for key, value in values.items():
            self.__dict__.setdefault(key, value)
        return getattr(self, name)

    def __getitem__(self, name):
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name)

    def __contains__(self, name):
        return hasattr(self, name)

    def get(self, name, default=None):
        return getattr(self, name, default)


# --- errors of a model ----------------------------------------------------------------------------


def is_inside(file, folder):
    """Whether a file is the model's own: in its folder, and not in an environment in there."""
    if not file.startswith(folder + os.sep):
        return False
    rest = file[len(folder) :]
    return "site-packages" not in rest and os.sep + ".venv" + os.sep not in rest


def place_in_model(trace, folder):
    """``file:line`` of the innermost frame in the model's own files, or None."""
    place = None
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if is_inside(file, folder):
            place = "%s:%d" % (file, trace.tb_lineno)
        trace = trace.tb_next
    return place


def own_traceback(error):
    """The traceback without this file's frames at its front, cut to its last 8 KiB."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, IMPORT_MACHINERY):
        trace = trace.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, trace, limit=-30))
    except Exception:  # an exception whose own __str__ fails
        text = "".join(traceback.format_tb(trace, limit=-30))
    data = text.encode("utf-8", "replace")
    if len(data) <= TRACEBACK_BYTES_MAX:
        return text
    return "[...]" + data[5 - TRACEBACK_BYTES_MAX :].decode("utf-8", "ignore")


IMPORT_MACHINERY = "<frozen importlib._bootstrap>"


def text_of(error):
    try:
        return str(error)[:MESSAGE_CHARS_MAX]
    except Exception:
        return "(an exception that cannot be printed)"


def describe(error, folder):
    """A ModelError of the protocol."""
    described = {
        "type": type(error).__name__,
        "message": text_of(error),
        "traceback": own_traceback(error),
    }
    place = place_in_model(error.__traceback__, folder)
    if place is not None:
        described["where"] = place
    return described


class ResultTooLarge(Exception):
    pass


class WrongResultCount(Exception):
    pass


# --- loading a model ------------------------------------------------------------------------------


class LoadFailure(Exception):
    """A model that cannot be loaded; kind is one of no-handler, syntax, import,
    file, mismatch, engine: see ``src/runtime/worker-messages.ts``."""

    def __init__(self, kind, message, where=None, trace=None):
        super(LoadFailure, self).__init__(message)
        self.wire = {"kind": kind, "message": message}
        if where is not None:
            self.wire["where"] = where
        if trace is not None:
            self.wire["traceback"] = trace


def engine():
    return "Python %s (%s)" % (sys.version.split()[0], sys.executable)


def package(name, path):
    """Makes a package importable: the real one where there is one, else an empty one in memory."""
    try:
        module = importlib.import_module(name)
    except Exception:  # a real one that cannot be imported here is as good as none
        module = types.ModuleType(name)
        module.__path__ = []
        module.__package__ = name
        attach(name, module)
    folders = list(getattr(module, "__path__", []))
    module.__path__ = path + [folder for folder in folders if folder not in path]
    return module


def attach(name, module):
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


def module_from_file(name, file, folders=None):
    """Imports one file under a name; with folders it is a package."""
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folders)
    if spec is None:
        raise ImportError("%s is not a Python file" % file)
    module = importlib.util.module_from_spec(spec)
    attach(name, module)
    spec.loader.exec_module(module)
    return module


def install_pyboot(model):
    """The parts of pyboot that its models import: the place of models, and where it lives."""
    parts = SCIENCE.split(".")
    for depth in range(1, len(parts)):
        package(".".join(parts[:depth]), [])
    package(SCIENCE, [model["modelsFolder"]])
    try:
        importlib.import_module("pyboot.conf.settings")
    except Exception:
        home = os.environ.get("PYBOOT_HOME") or model["folder"]
        conf = package("pyboot.conf", [])
        conf.settings = types.ModuleType("pyboot.conf.settings")
        attach("pyboot.conf.settings", conf.settings)
        for module in (conf, conf.settings):
            if not hasattr(module, "PYBOOT_HOME"):
                module.PYBOOT_HOME = home


def import_entry(model):
    """Imports the model's entry file under the name that pyboot gives it."""
    folder, entry = model["folder"], model["entryFile"]
    if model.get("functionName"):
        inside = os.path.relpath(entry, model["modelsFolder"])
        if not inside.startswith(os.pardir):
            dotted = os.path.splitext(inside)[0].replace(os.sep, ".")
            return importlib.import_module("%s.%s" % (SCIENCE, dotted))
    name = "%s.%s" % (SCIENCE, model["name"].replace(".", "_"))
    init = os.path.join(folder, "__init__.py")
    if os.path.isfile(init):
        module_from_file(name, init, [folder])
    else:
        attach(name, types.ModuleType(name))
        sys.modules[name].__path__ = [folder]
        sys.modules[name].__package__ = name
    stem = os.path.splitext(os.path.basename(entry))[0]
    return module_from_file("%s.%s" % (name, stem), entry)


def import_loader(model):
    """The module that loads the model's format, or None for code; while it can be imported."""
    name = LOADERS.get(model.get("format", "module"))
    if name is None:
        return None
    here = os.path.dirname(os.path.abspath(__file__))
    sys.modules["edgeboot_worker"] = sys.modules[__name__]  # which runs as __main__
    sys.path.insert(0, here)
    return importlib.import_module(name)


def load_handler(model, loader, log):
    """The function to call, and whether it takes (events, contexts) instead of (event, context).

    Raises LoadFailure.
    """
    folder = model["folder"]
    if loader is not None:
        try:
            return loader.load(model, log), True
        except LoadFailure:
            raise
        except BaseException as error:
            raise import_failure(error, folder)
    try:
        install_pyboot(model)
        module = import_entry(model)
    except SyntaxError as error:
        raise syntax_failure(error, folder)
    except BaseException as error:
        raise import_failure(error, folder)
    return find_handler(module, model)


def syntax_failure(error, folder):
    file = error.filename or ""
    if os.path.isfile(file):
        where = "%s:%d" % (file, error.lineno or 1)
    else:  # in a text that the model gave to eval
        where = place_in_model(error.__traceback__, folder)
    line = (error.text or "").strip()[:MESSAGE_CHARS_MAX]
    message = "%s at %s" % (error.msg, where or file)
    return LoadFailure("syntax", "%s: %s" % (message, line) if line else message, where)


def import_failure(error, folder):
    where = place_in_model(error.__traceback__, folder)
    at = " at %s" % where if where else ""
    if isinstance(error, ImportError):
        message = "%s%s, in %s" % (text_of(error), at, engine())
    else:
        message = "importing it raised %s%s: %s" % (type(error).__name__, at, text_of(error))
    return LoadFailure("import", message, where, own_traceback(error))


def find_handler(module, model):
    entry = model["entryFile"]
    named = model.get("functionName")
    if not named:
        handle_batch = getattr(module, "handle_batch", None)
        if callable(handle_batch):
            return adapt(handle_batch, "handle_batch", "(events, contexts)", (2, 1), entry), True
    names = [named] if named else ["handler", "index"]
    for name in names:
        handler = getattr(module, name, None)
        if not callable(handler):
            continue
        if named:
            return (lambda event, context: handler(event)), False
        return adapt(handler, name, "(event, context)", (2, 1, 0), entry), False
    wanted = ["%s(event, context)" % name for name in names]
    if not named:
        wanted.append("handle_batch(events, contexts)")
    raise LoadFailure("no-handler", "%s defines no %s" % (entry, " or ".join(wanted)), entry)


def adapt(handler, name, arguments, counts, entry):
    """Makes any handler one of two arguments, when it takes one of these counts of them."""
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):  # written in C: it says nothing of its arguments
        return handler
    for count in counts:
        try:
            signature.bind(*[None] * count)
        except TypeError:
            continue
        if count == 2:
            return handler
        if count == 1:
            return lambda first, second: handler(first)
        return lambda first, second: handler()
    message = "%s%s in %s cannot be called with %s"
    raise LoadFailure("no-handler", message % (name, signature, entry, arguments))


# --- answering ------------------------------------------------------------------------------------


def plain(value):
    """What json cannot write by itself: numpy's arrays and scalars, without importing numpy."""
    for method in ("tolist", "item"):
        convert = getattr(value, method, None)
        if callable(convert):
            return convert()
    raise TypeError("a result of type %s cannot be written as JSON" % type(value).__name__)


# pyboot published json.dumps(result): all but NaN and what `plain` adds is the same, byte for byte.
write_result = json.JSONEncoder(allow_nan=False, default=plain).encode
parse_event = json.JSONDecoder().decode


# Sequences to Python, but no list of results.
TEXTS = (str, bytes, bytearray, memoryview)


def as_results(returned, count):
    """What handle_batch returned, as one result per event: a wrong count is never a shift by one.

    Raises WrongResultCount, and whatever a generator of the model raises.
    """
    results, at_least = returned, ""
    if hasattr(returned, "tolist") and not isinstance(returned, TEXTS):
        results = returned.tolist()  # an array, a series, a tensor: one row or scalar per event
    elif isinstance(returned, Iterator):
        results = list(itertools.islice(returned, count + 1))  # it may have no end
        at_least = "at least "
    if not isinstance(results, Sequence) or isinstance(results, TEXTS):
        text = "handle_batch returned a %s; expected a list of %d results, one per event"
        raise WrongResultCount(text % (type(returned).__name__, count))
    if len(results) != count:
        got = "%s%d results" % (at_least if len(results) > count else "", len(results))
        raise WrongResultCount("handle_batch returned %s for %d events" % (got, count))
    return results


class Worker(object):
    def __init__(self, output, progress, start, log, handler, takes_batches):
        self._output = output
        self._progress = progress
        self._handler = handler
        self._outcomes = self._batch_outcomes if takes_batches else self._event_outcomes
        self._folder = start["model"]["folder"]
        self._result_bytes_max = start["resultBytesMax"]
        self._loop = None
        self._constants = {
            "rule": start["rule"],
            "params": start["params"],
            "model": Record(name=start["model"]["name"], version=start["model"]["version"]),
            "log": log,
        }
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._keep_progress_to_itself)

    def answer(self, body):
        """Has the model answer the events of an infer frame, and sends the outcomes in order."""
        batch, count = struct.unpack_from(">II", body, 0)
        items, at = [], 8 + 8 * count
        sizes = struct.unpack_from(">%dI" % (2 * count), body, 8)
        for i in range(count):
            event_at = at + sizes[2 * i]
            end = event_at + sizes[2 * i + 1]
            items.append((body[at:event_at], body[event_at:end]))
            at = end
        # In this order: no index of one batch is ever seen with the number of another.
        self._progress[INDEX] = NO_EVENT
        self._progress[BATCH] = batch
        first, held, head, payloads = 0, 0, [], []
        flushed = time.monotonic()
        for i, (status, payload) in enumerate(self._outcomes(items)):
            head.append(struct.pack(">BI", status, len(payload)))
            payloads.append(payload)
            held += len(payload)
            now = time.monotonic()
            if now - flushed > FLUSH_AFTER_SECONDS or held > FLUSH_BYTES or i == count - 1:
                numbers = struct.pack(">III", batch, first, i + 1 - first)
                flush_printed()
                self._output.write(RESULT, [numbers] + head + payloads)
                first, held, head, payloads = i + 1, 0, [], []
                flushed = now

    def _event_outcomes(self, items):
        """One call of the handler per event, made when its outcome is asked for."""
        for index, (context, event) in enumerate(items):
            self._progress[INDEX] = index
            try:
                outcome = self._encode(self._call(*self._arguments(context, event)))
            except BaseException as error:  # sys.exit() in a model is its error, and no exit
                outcome = self._error(error)
            yield outcome

    def _batch_outcomes(self, items):
        """One call of handle_batch for all events.

        When it raises, it is called again for each event alone, so that the exception costs the
        event that it belongs to and not its neighbours. Events are parsed anew for that: the call
        that failed may have changed them.
        """
        try:
            results = self._call_batch(items)
        except BaseException as error:
            alone = len(items) == 1 or isinstance(error, WrongResultCount)
            failed = self._error(error) if alone else None
        else:
            for result in results:
                try:
                    refused = isinstance(result, Exception)
                    outcome = self._error(result) if refused else self._encode(result)
                except BaseException as error:
                    outcome = self._error(error)
                yield outcome
            return
        for index, item in enumerate(items):
            if failed is not None:
                yield failed
            else:
                self._progress[INDEX] = index
                for outcome in self._batch_outcomes([item]):
                    yield outcome

    def _keep_progress_to_itself(self):
        """A process that the model forked may go on in here, and is not the one that is watched."""
        self._progress = unseen_progress()

    def _call_batch(self, items):
        events, contexts = [], []
        for item in items:
            event, context = self._arguments(*item)
            events.append(event)
            contexts.append(context)
        return as_results(self._call(events, contexts), len(items))

    def _arguments(self, context, event):
        return parse_event(str(event, "utf-8")), Context(self._constants, context)

    def _call(self, first, second):
        result = self._handler(first, second)
        return self._run(result) if type(result) is types.CoroutineType else result

    def _encode(self, result):
        if result is None:
            return EMPTY, b""
        if isinstance(result, (bytes, bytearray, memoryview)):
            return self._checked(bytes(result))
        text = write_result(result)
        if len(text) <= LONGEST_UNPUBLISHED and text in UNPUBLISHED:
            return EMPTY, b""
        return self._checked(text.encode("utf-8"))

    def _error(self, error):
        return ERROR, json.dumps(describe(error, self._folder)).encode("utf-8")

    def _checked(self, payload):
        if len(payload) > self._result_bytes_max:
            text = "a result of %d bytes; at most %d can be published"
            raise ResultTooLarge(text % (len(payload), self._result_bytes_max))
        return VALUE, payload

    def _run(self, coroutine):
        if self._loop is None:
            import asyncio

            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop.run_until_complete(coroutine)


# --- the process ----------------------------------------------------------------------------------


def die_with_parent():
    """Asks Linux to kill this process when its parent dies, also in the middle of a loop."""
    try:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        pr_set_pdeathsig = 1
        libc.prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
        return libc
    except Exception:  # no ctypes, or another system: the end of descriptor 3 must do
        return None


def name_process(libc, name):
    try:
        pr_set_name = 15
        libc.prctl(pr_set_name, name.encode("ascii", "replace")[:15], 0, 0, 0)
    except Exception:
        pass


def show_stacks_on_signal():
    """SIGUSR1 has the stacks of all threads written, whatever the model is doing.

    faulthandler writes from within the signal handler: no interpreter, no lock and no stream of
    the model is needed, so it works in an endless loop, in C code and in a sleep.
    """
    try:
        try:
            descriptor = fcntl.fcntl(STACKS_OUT, fcntl.F_DUPFD_CLOEXEC, STACKS_OUT_FROM)
            os.close(STACKS_OUT)
        except OSError:  # fewer descriptors are allowed
            descriptor = STACKS_OUT
            os.set_inheritable(descriptor, False)
        faulthandler.register(signal.SIGUSR1, file=descriptor, all_threads=True, chain=False)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: close_quietly(descriptor))
    except Exception:  # it is then ended without
        pass


def open_progress():
    """Two words that edgeboot reads when this process has died, whatever it died of."""
    try:
        import mmap

        file = os.fstat(PROGRESS)
        if file.st_size == PROGRESS_BYTES and file.st_nlink == 0:  # not somebody else's
            shared = mmap.mmap(PROGRESS, PROGRESS_BYTES)
            os.close(PROGRESS)
            return memoryview(shared).cast("I")
    except Exception:  # edgeboot then has to search for an event that kills
        pass
    return unseen_progress()


def unseen_progress():
    return memoryview(bytearray(PROGRESS_BYTES)).cast("I")


def close_quietly(descriptor):
    try:
        os.close(descriptor)
    except OSError:
        pass


def be_first_to_go():
    """When memory runs out, Linux takes this process rather than the one that keeps it."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
    except OSError:
        pass


def keep_descriptors():
    """Programs and processes that the model starts must not hold the frames open."""
    for descriptor in (FRAMES_IN, FRAMES_OUT):
        os.set_blocking(descriptor, True)
        os.set_inheritable(descriptor, False)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=close_descriptors)


def close_descriptors():
    for descriptor in (FRAMES_IN, FRAMES_OUT):
        close_quietly(descriptor)


def text_stream(descriptor):
    raw = io.open(descriptor, "wb", closefd=False)
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", line_buffering=True)


def take_streams(libc):
    """Prints leave with each line, in UTF-8 whatever the locale says; those of C code too."""
    sys.stdout = sys.__stdout__ = text_stream(1)
    sys.stderr = sys.__stderr__ = text_stream(2)
    faulthandler.enable(sys.stderr, all_threads=True)
    try:
        import ctypes

        line_buffered = 1
        libc.setvbuf(ctypes.c_void_p.in_dll(libc, "stdout"), None, line_buffered, 0)
    except Exception:  # C code is then heard when its buffer is full
        pass


def flush_printed():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def leave(code):
    """Ends in order, but waits for no thread that the model left running."""
    try:
        atexit._run_exitfuncs()
    except BaseException:
        pass
    flush_printed()
    os._exit(code)


def see_as_model(model):
    """What a program sees of itself: the model, not this file."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [model["folder"]] + [
        path for path in sys.path if os.path.abspath(path or os.curdir) != here
    ]
    sys.argv = [model["entryFile"]]


def main():
    libc = die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which stops us in order
    keep_descriptors()
    show_stacks_on_signal()
    progress = open_progress()
    be_first_to_go()
    take_streams(libc)
    frames, output = FrameInput(FRAMES_IN), FrameOutput(FRAMES_OUT)
    frame = frames.read()
    if frame is None:
        leave(0)
    start = json.loads(str(frame[1], "utf-8"))
    model = start["model"]
    if libc is not None:
        name_process(libc, "py:" + model["name"])
    log = Log(output)
    loader = import_loader(model)
    see_as_model(model)
    try:
        handler, takes_batches = load_handler(model, loader, log)
    except LoadFailure as failure:
        flush_printed()
        output.write_json(FAILED, failure.wire)
        leave(1)
    worker = Worker(output, progress, start, log, handler, takes_batches)
    gc.collect()
    if hasattr(gc, "freeze"):
        gc.freeze()  # what was loaded stays: the collector need not look at it again
    flush_printed()
    ready = {"engine": engine(), "pid": os.getpid()}
    if loader is not None:  # a module says nothing of itself
        ready["signature"] = handler.signature
    output.write_json(READY, ready)
    while True:
        frame = frames.read()
        if frame is None or frame[0] == DRAIN:
            leave(0)
        worker.answer(frame[1])


if __name__ == "__main__":
    main()

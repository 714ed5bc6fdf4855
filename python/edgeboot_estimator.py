"""Estimators of scikit-learn given as a bare pickle: no code, the manifest says what goes where.

Imported by ``edgeboot_worker.py`` for packages of the format ``estimator``. Nothing but the
standard library is imported before a model asks for it; Python 3.6 and newer.
``docs/writing-models.md`` describes what is bound to what.
"""

import bz2
import importlib.util
import lzma
import os
import re
import sys
import warnings
import zlib

from edgeboot_inputs import Input, InvalidInput, MissingInput, Skipped, mismatch
from edgeboot_results import plain, put
from edgeboot_worker import LoadFailure, engine, import_failure, text_of

# What may be asked of an estimator.
METHODS = ("predict", "predict_proba", "decision_function", "transform", "score_samples")

# How much of a file is searched for the version that wrote it.
SEARCHED_BYTES_MAX = 16 * 1024 * 1024
NAMES_SHOWN_MAX = 8

# What these modules are called where they are installed from.
PACKAGES = {"sklearn": "scikit-learn", "joblib": "joblib", "numpy": "numpy", "pandas": "pandas"}


def load(model, log):
    """The function of (events, contexts) that answers with what an estimator says.

    Raises LoadFailure.
    """
    estimator = unpickle(model, log)
    wanted = outputs_of(model, estimator)
    inputs = bind(model, estimator)
    table = Table(model, estimator, inputs)
    # The names were compared when it was loaded.
    warnings.filterwarnings("ignore", message="X (does not have|has) .*feature names")
    return Answering(estimator, inputs, table, wanted)


class Answering(object):
    """Answers batches: one call of each method for all events that have what the model takes."""

    def __init__(self, estimator, inputs, table, wanted):
        self.signature = signature_text(estimator)
        self._estimator = estimator
        self._inputs = inputs
        self._table = table
        self._wanted = wanted

    def __call__(self, events, contexts):
        answers, rows, places = [None] * len(events), [], []
        for place, event in enumerate(events):
            try:
                row = []
                for one in self._inputs:
                    row.extend(one.take(event))
            except (MissingInput, InvalidInput) as refusal:
                answers[place] = refusal.with_traceback(None)
            except Skipped:
                pass
            else:
                rows.append(row)
                places.append(place)
        if rows:
            table = self._table.of(rows)
            for place in places:
                answers[place] = {}
            for method, path in self._wanted:
                for place, value in zip(places, self._column(method, table, len(rows))):
                    put(answers[place], path, value)
        return answers

    def _column(self, method, table, count):
        returned = getattr(self._estimator, method)(table)
        if method == "predict_proba":
            classes = self._estimator.classes_
            if isinstance(returned, list):  # several outputs, each with classes of its own
                columns = [by_class(plain(p), names) for p, names in zip(returned, classes)]
                values = [list(row) for row in zip(*columns)]
            else:
                values = by_class(plain(returned), classes)
        else:
            values = plain(returned)
        if len(values) != count:
            text = "%s gave %d results for %d events"
            raise ValueError(text % (method, len(values), count))
        return values


def by_class(rows, classes):
    names = [class_text(name) for name in plain(classes)]
    return [dict(zip(names, row)) for row in rows]


def class_text(name):
    if isinstance(name, bool):
        return "true" if name else "false"
    return str(name)


# --- what the manifest asks for, held against the estimator ---------------------------------------


def outputs_of(model, estimator):
    """(method, path into the result) of every output.

    Without any in the manifest: predict, and predict_proba where there is one; transform of an
    estimator that predicts nothing, else score_samples.
    """
    has = [method for method in METHODS if has_method(estimator, method)]
    said = (model.get("manifest") or {}).get("outputs") or []
    for at, output in enumerate(said):
        if output["name"] in has:
            continue
        text = 'is "%s", which a %s does not have; it has %s'
        complaint = text % (output["name"], type(estimator).__name__, ", ".join(has))
        raise mismatch(model, "outputs[%d].name" % at, complaint)
    if said:
        return [(output["name"], output["path"]) for output in said]
    answers = [method for method in ("predict", "predict_proba") if method in has]
    if not answers:
        answers = ["transform" if "transform" in has else has[0]]
    return [(method, [method]) for method in answers]


def has_method(estimator, method):
    try:
        return callable(getattr(estimator, method, None))
    except Exception:  # a property that fails: what it says of itself cannot be had
        return False


def bind(model, estimator):
    """The inputs in the order in which the estimator wants its columns."""
    names, count = feature_names(estimator), feature_count(estimator)
    said = (model.get("manifest") or {}).get("inputs") or []
    if not said:
        said = by_name(model, estimator, names)
    one_vector = len(said) == 1 and count is not None and len(said[0]["paths"]) == 1
    shape = [count] if one_vector and count != 1 else None
    inputs = [Input(model, at, one, "float64", shape) for at, one in enumerate(said)]
    columns = sum(one.size for one in inputs)
    if count is not None and columns != count:
        field = inputs[0].field + ".shape" if len(inputs) == 1 else "inputs"
        text = "has %d columns, but the %s was fitted with %d (n_features_in_)"
        shown = "" if names is None else ": " + shorten(names)
        complaint = text % (columns, type(estimator).__name__, count) + shown
        raise mismatch(model, field, complaint)
    if names is None or any(one.size != 1 for one in inputs):
        return inputs
    return in_order(model, estimator, inputs, names)


def by_name(model, estimator, names):
    if names is None:
        text = "names nothing, and the %s knows its %s features by number alone: say where they are"
        count = feature_count(estimator)
        complaint = text % (type(estimator).__name__, "" if count is None else count)
        raise mismatch(model, "inputs", complaint.replace("its  ", "its "))
    return [
        {"name": name, "paths": [[name], ["telemetry", name]], "either": True} for name in names
    ]


def in_order(model, estimator, inputs, names):
    """A model that was fitted with names gets its columns by name, whatever their order."""
    known = {}
    for one in inputs:
        if one.name not in names:
            text = 'is "%s", which the %s was not fitted with (feature_names_in_: %s)'
            complaint = text % (one.name, type(estimator).__name__, shorten(names))
            raise mismatch(model, one.field + ".name", complaint)
        if one.name in known:
            raise mismatch(model, one.field + ".name", 'is "%s" for the second time' % one.name)
        known[one.name] = one
    return [known[name] for name in names]


def feature_names(estimator):
    try:
        names = estimator.feature_names_in_
    except Exception:
        return None
    return [str(name) for name in names]


def feature_count(estimator):
    try:
        return int(estimator.n_features_in_)
    except Exception:
        return None


def signature_text(estimator):
    """What an estimator says of what it was fitted with, and what may be asked of it."""
    names, count = feature_names(estimator), feature_count(estimator)
    if names is not None:
        takes = "%d columns (feature_names_in_: %s)" % (len(names), shorten(names))
    elif count is not None:
        takes = "%d columns (n_features_in_) by number alone" % count
    else:
        takes = "columns, of which it does not say how many"
    has = ", ".join(method for method in METHODS if has_method(estimator, method))
    return "The %s takes %s and has %s" % (type(estimator).__name__, takes, has)


def shorten(names):
    shown = ", ".join(names[:NAMES_SHOWN_MAX])
    more = len(names) - NAMES_SHOWN_MAX
    return "%s and %d more" % (shown, more) if more > 0 else shown


class Table(object):
    """Makes of rows what an estimator takes: an array, a pandas table, or a list of texts."""

    def __init__(self, model, estimator, inputs):
        self._dtypes = [one.dtype for one in inputs for _ in range(one.size)]
        self._names = feature_names(estimator)
        self._pandas = None
        self._texts = self._dtypes == ["string"] and takes_texts(estimator)
        numeric = "string" not in self._dtypes
        if self._names is not None and (not numeric or needs_names(estimator)):
            self._pandas = self._import_pandas(model, estimator)
        if not numeric:
            self._dtype = object
        else:
            import numpy

            self._dtype = numpy.result_type(*self._dtypes)

    def of(self, rows):
        if self._texts:
            return [row[0] for row in rows]
        if self._pandas is not None:
            columns = zip(self._names, self._dtypes, zip(*rows))
            return self._pandas.DataFrame(
                {
                    name: self._pandas.Series(list(values), dtype=pandas_dtype(dtype))
                    for name, dtype, values in columns
                }
            )
        import numpy

        return numpy.array(rows, dtype=self._dtype)

    def _import_pandas(self, model, estimator):
        try:
            import pandas

            return pandas
        except ImportError:
            if not needs_names(estimator):
                return None  # an array of objects will do
            text = "%s picks its columns by name, which takes pandas, and %s does not have it. %s"
            message = text % (type(estimator).__name__, engine(), how_to_install("pandas", None))
            raise LoadFailure("engine", message, model["entryFile"])


def pandas_dtype(dtype):
    return object if dtype == "string" else dtype


def steps_of(estimator):
    """An estimator, and what is in it where it is a pipeline."""
    found = [estimator]
    for _, step in getattr(estimator, "steps", None) or []:
        found.extend(steps_of(step))
    return found


def needs_names(estimator):
    """Whether a column transformer in it picks its columns by their names."""
    for step in steps_of(estimator):
        for transformer in getattr(step, "transformers", None) or []:
            columns = transformer[2] if len(transformer) == 3 else None
            columns = [columns] if isinstance(columns, str) else columns
            if isinstance(columns, (list, tuple)) and any(isinstance(c, str) for c in columns):
                return True
    return False


def takes_texts(estimator):
    """Vectorizers of texts want a list of them, and no table."""
    steps = getattr(estimator, "steps", None)
    first = steps[0][1] if steps else estimator
    return hasattr(first, "build_analyzer")


# --- the file -------------------------------------------------------------------------------------


def unpickle(model, log):
    """What is in the file. Raises LoadFailure."""
    file = model["entryFile"]
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            loaded = read(file)
    except ImportError as error:
        raise missing_module(error, model)
    except AttributeError as error:
        raise missing_attribute(error, model)
    except MemoryError as error:
        raise import_failure(error, model["folder"])
    except Exception as error:
        if is_compressed(file) and importlib.util.find_spec("joblib") is None:
            text = "%s was compressed by joblib, which %s does not have. %s"
            message = text % (file, engine(), how_to_install("joblib", None))
            raise LoadFailure("engine", message, file)
        raise unreadable(error, file)
    for warning in caught:
        tell(warning, file, log)
    if not any(has_method(loaded, method) for method in METHODS):
        text = "%s holds a %s, which is no estimator: it has none of %s"
        message = text % (file, type(loaded).__name__, ", ".join(METHODS))
        raise LoadFailure("file", message, file)
    return loaded


def read(file):
    if importlib.util.find_spec("joblib") is not None:
        import joblib

        return joblib.load(file)
    import pickle

    with open(file, "rb") as stream:
        return pickle.load(stream)


def unreadable(error, file):
    try:
        size = "%d bytes" % os.path.getsize(file)
    except OSError as missing:
        return LoadFailure("file", text_of(missing), file)
    text = "%s (%s) cannot be unpickled: %s: %s"
    message = text % (file, size, type(error).__name__, text_of(error) or "it ends too early")
    if "unsupported pickle protocol" in text_of(error):
        text = "%s; %s is too old for it, write the file with protocol=4"
        message = text % (message, engine())
    elif "buffer size does not match" in text_of(error) or "dtype" in text_of(error):
        message += version_hint(file)
    else:
        message += ". It is damaged, or no pickle"
    return LoadFailure("file", message, file)


def missing_module(error, model):
    name = (error.name or "").split(".")[0]
    file = model["entryFile"]
    if name in sys.modules and name in PACKAGES:  # there, but of a version without the module
        text = "%s needs %s, which is not in the %s that is installed%s"
        hint = version_hint(file) + where_installed(name)
        return LoadFailure("import", text % (file, error.name, PACKAGES[name], hint), file)
    if name in PACKAGES or not name:
        text = "%s needs %s, which %s does not have. %s"
        wanted = name or text_of(error)
        hint = how_to_install(wanted, written_with(file) if name == "sklearn" else None)
        return LoadFailure("engine", text % (file, wanted, engine(), hint), file)
    text = (
        "%s needs the module %s, which is neither in the package nor in %s. "
        "If it is code of your own, put %s.py beside the file, else into requirements.txt"
    )
    return LoadFailure("import", text % (file, error.name, engine(), name), file)


def missing_attribute(error, model):
    file = model["entryFile"]
    text = text_of(error)
    found = re.search(r"attribute '([^']+)' on <module '([^']+)'", text)
    if found and found.group(2) == "__main__":
        advice = "%s was defined in the script that wrote the file: move it to a module of its own"
        text = "%s: %s, and put that into the package" % (text, advice % found.group(1))
    else:
        text += version_hint(file)
    return LoadFailure("import", "%s cannot be unpickled: %s" % (file, text), file)


def version_hint(file):
    version = written_with(file)
    here = installed("sklearn")
    if version is None or here is None:
        return ""
    return "; scikit-learn %s wrote it, here is %s (%s)" % (version, here, sys.executable)


def where_installed(name):
    return " at %s" % getattr(sys.modules[name], "__file__", "?")


def installed(name):
    try:
        return __import__(name).__version__
    except Exception:
        return None


def how_to_install(name, version):
    wanted = PACKAGES.get(name, name) + ("==%s" % version if version else "")
    pip = "Install it with: %s -m pip install '%s'" % (sys.executable, wanted)
    return pip + ", or name it in a requirements.txt in the package"


def written_with(file):
    """The version of scikit-learn that wrote a file, without unpickling anything; or None."""
    try:
        with open(file, "rb") as stream:
            data = stream.read(SEARCHED_BYTES_MAX)
        data = decompressed(data)
    except Exception:
        return None
    found = re.search(rb"_sklearn_version.{1,12}?(\d+\.\d+(?:\.?[0-9a-z]+)*)", data, re.DOTALL)
    return found.group(1).decode("ascii") if found else None


COMPRESSIONS = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(31)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ", lzma.LZMADecompressor),
    (b"x", zlib.decompressobj),
)


def is_compressed(file):
    try:
        with open(file, "rb") as stream:
            head = stream.read(8)
    except OSError:
        return False
    return any(head.startswith(magic) for magic, _ in COMPRESSIONS)


def decompressed(data):
    for magic, reader in COMPRESSIONS:
        if data.startswith(magic):
            opened = reader()
            return opened.decompress(data, SEARCHED_BYTES_MAX)
    return data


def tell(warning, file, log):
    text = text_of(warning.message)
    pattern = r"unpickle estimator (\S+) from version (\S+) when using version ([^\s.]\S*?)\.? "
    found = re.search(pattern, text)
    if found is None:
        warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)
        return
    estimator, wrote, here = found.groups()
    log.event(
        "warn",
        "model.estimator-version",
        file=file,
        estimator=estimator,
        writtenWith=wrote,
        installed=here,
        interpreter=sys.executable,
    )

"""Opens the files of TensorFlow's formats, each with the library that runs it.

Every model that is opened has ``inputs``, ``outputs`` (a list of Info each) and ``run(feeds)``, from
arrays by name to arrays by name. Standard library only until a model asks for more; Python 3.6 and
newer.
"""

import importlib
import os
import sys

from edgeboot_worker import LoadFailure, engine, text_of

# The types of elements that an event can be made of; bfloat16 and complex numbers are not.
DTYPES = frozenset(
    ["bool", "string", "float16", "float32", "float64"]
    + ["%sint%d" % (sign, bits) for sign in ("", "u") for bits in (8, 16, 32, 64)]
)

# What runs TensorFlow Lite, in the order in which it is looked for, by what pip calls it.
LITE = (
    ("ai_edge_litert.interpreter", "ai-edge-litert"),
    ("tflite_runtime.interpreter", "tflite-runtime"),
    ("tensorflow.lite", "tensorflow"),
)

SIGNATURE = "serving_default"


class Info(object):
    """What a model says of an input or output; a shape of None is any, a size of None too."""

    def __init__(self, name, dtype, shape, scale=0, zero=0):
        self.name = name
        self.raw_dtype = dtype
        self.shape = shape
        self._scale, self._zero = scale, zero
        # Integers that stand for real numbers: events and results have the real ones.
        self.dtype = "float32" if scale else dtype

    def encode(self, array):
        """An array of real numbers as the model takes it."""
        if not self._scale:
            return array
        import numpy

        ends = numpy.iinfo(self.raw_dtype)
        steps = numpy.round(array / self._scale) + self._zero
        return numpy.clip(steps, ends.min, ends.max).astype(self.raw_dtype)

    def decode(self, array):
        """What the model gave as real numbers."""
        if not self._scale:
            return array
        return (array.astype("float32") - self._zero) * self._scale


def open_model(model):
    """Raises LoadFailure."""
    open_file = {"saved-model": SavedModel, "keras": KerasModel, "tflite": open_lite}
    return open_file[model["format"]](model["entryFile"])


def import_tensorflow(file):
    # What it says of processors and graphics cards is no line of the model.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # One thread per model, as everywhere: hosts have several models.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    return import_engine(file, [("tensorflow", "tensorflow")])


def import_engine(file, candidates):
    """The first of some modules that there is. Raises LoadFailure that says what to install."""
    reasons = []
    for name, package in candidates:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            missing = getattr(error, "name", None) or ""
            if missing != name.split(".")[0]:  # it is there, and something that it needs is not
                reasons.append("%s: %s" % (package, text_of(error)))
        except Exception as error:
            reasons.append("%s: %s: %s" % (package, type(error).__name__, text_of(error)))
    wanted = " or ".join(package for _, package in candidates)
    text = "%s needs %s, which %s does not have%s. Install it with: %s -m pip install %s, or name it "
    text += "in a requirements.txt in the package"
    found = " (%s)" % "; ".join(reasons) if reasons else ""
    package = candidates[0][1]
    message = text % (file, wanted, engine(), found, sys.executable, package)
    raise LoadFailure("engine", message, file)


def unreadable(file, library, error):
    size = "%d bytes" % os.path.getsize(file) if os.path.isfile(file) else "not a file"
    text = "%s (%s) is not read by %s: %s: %s"
    message = text % (file, size, library, type(error).__name__, text_of(error))
    return LoadFailure("file", message, file)


def info_of(file, name, dtype, shape, *scaling):
    if dtype in DTYPES:
        return Info(name, dtype, shape, *scaling)
    message = '%s: "%s" is of the type %s, which is not taken' % (file, name, dtype)
    raise LoadFailure("file", message, file)


def infos_of(file, specs):
    """Of TensorFlow's specs by name."""
    infos = []
    for name, spec in specs.items():
        shape = None if spec.shape.rank is None else spec.shape.as_list()
        infos.append(info_of(file, name, spec.dtype.name, shape))
    return infos


class SavedModel(object):
    """The signature ``serving_default`` of a SavedModel, or the only one that it has."""

    def __init__(self, file):
        tf = import_tensorflow(file)
        try:
            self._loaded = tf.saved_model.load(os.path.dirname(file))
        except Exception as error:
            raise unreadable(file, "TensorFlow %s" % tf.__version__, error)
        signatures = self._loaded.signatures
        names = list(signatures)
        if SIGNATURE not in names and len(names) != 1:
            text = "%s has the signatures %s, and none of them is %s"
            message = text % (file, ", ".join(names) or "(none)", SIGNATURE)
            raise LoadFailure("file", message, file)
        self._serve = signatures[SIGNATURE if SIGNATURE in names else names[0]]
        self._constant = tf.constant
        self.inputs = infos_of(file, self._serve.structured_input_signature[1])
        self.outputs = infos_of(file, self._serve.structured_outputs)

    def run(self, feeds):
        given = self._serve(**{name: self._constant(feeds[name]) for name in feeds})
        return {name: value.numpy() for name, value in given.items()}


class KerasModel(object):
    """A model that Keras saved; its inputs and outputs have the names of their layers or keys."""

    def __init__(self, file):
        tf = import_tensorflow(file)
        keras = tf.keras
        library = "Keras %s" % keras.__version__
        try:
            model = keras.models.load_model(file, compile=False)
        except Exception as error:
            raise unreadable(file, library, error)
        if not getattr(model, "inputs", None):
            text = "%s holds a %s that does not say what it takes: export it with model.export"
            raise LoadFailure("file", text % (file, type(model).__name__), file)
        specs = {}
        for tensor in model.inputs:
            name = tensor.name.split(":")[0]
            specs[name] = tf.TensorSpec(tensor.shape, tensor.dtype, name=name)
        names = list(specs)
        is_dict = isinstance(model.input, dict)

        def ask(feeds):
            values = [feeds[name] for name in names]
            given = model(feeds if is_dict else values if len(values) > 1 else values[0])
            if isinstance(given, dict):
                return given
            listed = given if isinstance(given, (list, tuple)) else [given]
            return dict(zip(model.output_names, listed))

        self._ask = tf.function(ask, input_signature=[specs])
        self._constant = tf.constant
        try:
            given = self._ask.get_concrete_function().structured_outputs
        except Exception as error:
            raise unreadable(file, library, error)
        self.inputs = infos_of(file, specs)
        self.outputs = infos_of(file, given)

    def run(self, feeds):
        given = self._ask({name: self._constant(feeds[name]) for name in feeds})
        return {name: value.numpy() for name, value in given.items()}


def open_lite(file):
    library = import_engine(file, LITE)
    try:
        interpreter = library.Interpreter(model_path=file)
        signatures = interpreter.get_signature_list()
        interpreter.allocate_tensors()
    except Exception as error:
        raise unreadable(file, library.__name__, error)
    if not signatures:
        return LiteGraph(file, interpreter)
    name = SIGNATURE if SIGNATURE in signatures else list(signatures)[0]
    return LiteSignature(file, interpreter.get_signature_runner(name))


def lite_info(file, name, details):
    shape = list(details["shape_signature"] if len(details["shape_signature"]) else details["shape"])
    sizes = [None if size < 0 else int(size) for size in shape]
    dtype = details["dtype"]
    scale, zero = details["quantization"]
    return info_of(file, name, dtype.__name__.rstrip("_"), sizes, float(scale), int(zero))


class LiteModel(object):
    """What signatures and graphs have in common: the quantized numbers."""

    def _decoded(self, given):
        return {info.name: info.decode(given[info.name]) for info in self.outputs}


class LiteSignature(LiteModel):
    """A signature of a TensorFlow Lite model; the runner resizes it to the batch."""

    def __init__(self, file, runner):
        self._runner = runner
        takes, gives = runner.get_input_details(), runner.get_output_details()
        self.inputs = [lite_info(file, name, takes[name]) for name in takes]
        self.outputs = [lite_info(file, name, gives[name]) for name in gives]

    def run(self, feeds):
        return self._decoded(self._runner(**feeds))


class LiteGraph(LiteModel):
    """A TensorFlow Lite model without signatures: its tensors go by their own names."""

    def __init__(self, file, interpreter):
        self._interpreter = interpreter
        self._takes = dict((one["name"], one["index"]) for one in interpreter.get_input_details())
        self._gives = dict((one["name"], one["index"]) for one in interpreter.get_output_details())
        self.inputs = [lite_info(file, d["name"], d) for d in interpreter.get_input_details()]
        self.outputs = [lite_info(file, d["name"], d) for d in interpreter.get_output_details()]
        self._shapes = {}

    def run(self, feeds):
        shapes = dict((name, feeds[name].shape) for name in feeds)
        if shapes != self._shapes:
            for name, shape in shapes.items():
                self._interpreter.resize_tensor_input(self._takes[name], shape)
            self._interpreter.allocate_tensors()
            self._shapes = shapes
        for name, array in feeds.items():
            self._interpreter.set_tensor(self._takes[name], array)
        self._interpreter.invoke()
        get = self._interpreter.get_tensor
        return self._decoded(dict((name, get(index)) for name, index in self._gives.items()))

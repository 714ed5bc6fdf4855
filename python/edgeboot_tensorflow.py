"""Models of TensorFlow without code: the manifest says what goes where, the model what it takes.

Imported by ``edgeboot_worker.py`` for packages of the formats ``saved-model``, ``keras`` and
``tflite``. TensorFlow is imported when such a model asks for it; ``edgeboot_tensorflow_files.py``
opens the files. Standard library only; Python 3.6 and newer. ``docs/models.md`` describes what is
bound to what.
"""

from edgeboot_inputs import Input, InvalidInput, MissingInput, Skipped, mismatch
from edgeboot_results import put
from edgeboot_tensorflow_files import open_model
from edgeboot_worker import LoadFailure, text_of

NAMES_SHOWN_MAX = 20


class InferenceError(Exception):
    """The model failed on an event, in the words of TensorFlow."""


class InvalidOutput(Exception):
    """The model gave something that is not one part for each event."""


def load(model, log):
    """The function of (events, contexts) that answers with what the outputs say.

    Raises LoadFailure.
    """
    opened = open_model(model)
    if not opened.inputs or not opened.outputs:
        message = "%s cannot be asked. %s" % (model["entryFile"], signature_text(opened))
        raise LoadFailure("file", message, model["entryFile"])
    inputs = bind_inputs(model, opened)
    return Answering(opened, inputs, bind_outputs(model, opened), events_per_run(model, inputs))


class Answering(object):
    """Answers batches: one run for all events that have what the model takes, where it has room."""

    def __init__(self, opened, inputs, outputs, room):
        self.signature = signature_text(opened)
        self._opened = opened
        self._inputs = inputs
        self._outputs = outputs
        self._room = room

    def __call__(self, events, contexts):
        answers, rows = [None] * len(events), []
        for place, event in enumerate(events):
            try:
                rows.append((place, [one.take(event) for one in self._inputs]))
            except (MissingInput, InvalidInput) as refusal:
                answers[place] = refusal.with_traceback(None)
            except Skipped:
                pass
        room = self._room or len(rows)
        for first in range(0, len(rows), room or 1):
            self._answer(rows[first : first + room], answers)
        return answers

    def _answer(self, rows, answers):
        try:
            results = self._run([row for _, row in rows])
        except Exception as error:
            if len(rows) > 1:  # asked one by one they will say which of them it was
                for row in rows:
                    self._answer([row], answers)
                return
            is_ours = isinstance(error, InvalidOutput)
            refusal = error if is_ours else InferenceError(text_of(error))
            results = [refusal.with_traceback(None)]
        for (place, _), result in zip(rows, results):
            answers[place] = result

    def _run(self, rows):
        count = len(rows)
        filled = rows + [rows[-1]] * ((self._room or count) - count)
        feeds = {}
        for at, one in enumerate(self._inputs):
            feeds[one.name] = one.array([row[at] for row in filled])
        given = self._opened.run(feeds)
        results = [{} for _ in rows]
        for info, path in self._outputs:
            parts = self._parts(info.name, given, len(filled))
            for at in range(count):
                if isinstance(results[at], InvalidOutput):
                    continue
                if is_finite(parts[at]):
                    put(results[at], path, as_value(parts[at]))
                else:
                    text = 'output "%s" has a number that is not finite, which JSON cannot hold'
                    results[at] = InvalidOutput(text % info.name)
        return results

    def _parts(self, name, given, count):
        """One part of an output for each event."""
        array = given[name]
        if array.ndim > 0 and array.shape[0] == count:
            return array
        if count == 1:
            return [array]
        text = 'output "%s" has the shape %s for %d events'
        raise InvalidOutput(text % (name, list(array.shape), count))


def is_finite(part):
    if getattr(part, "dtype", None) is None or part.dtype.kind != "f":
        return True
    import numpy

    return numpy.isfinite(part).all()


def as_value(part):
    """Of Python; one number by itself is not left in its array, and texts, bytes here, are texts."""
    value = part.tolist() if hasattr(part, "tolist") else part
    return as_text(value[0] if getattr(part, "shape", None) == (1,) else value)


def as_text(value):
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return [as_text(one) for one in value] if isinstance(value, list) else value


# --- what the manifest asks for, held against the model -------------------------------------------


class BoundInput(Input):
    """An input of the manifest that becomes an array of the model's."""

    def __init__(self, model, at, said, info):
        self._info = info
        sizes, self.room = event_shape(model, at, said, info)
        # Of several paths each has one element; else what the model says is asked of the event.
        several = len(said["paths"]) > 1 and not said.get("either")
        shape = None if several else sizes
        super(BoundInput, self).__init__(model, at, said, info.dtype, shape)
        if self._missing["kind"] == "nan" and not info.raw_dtype.startswith("float"):
            text = 'of "%s" is nan, which the model cannot hold: it keeps its numbers as %s'
            raise mismatch(model, self.field + ".missing", text % (self.name, info.raw_dtype))
        self._sizes = sizes
        self._is_raw = said.get("dtype") == info.raw_dtype

    def array(self, rows):
        import numpy

        dtype = object if self.dtype == "string" else self.dtype
        array = numpy.array(rows, dtype=dtype)
        shape = self._sizes if self.room == 0 else [len(rows)] + self._sizes
        array = array.reshape(shape)
        return array if self._is_raw else self._info.encode(array)


def event_shape(model, at, said, info):
    """The sizes of one event, and for how many there is room: None for any number, 0 for no batch."""
    dims, shape = info.shape, said.get("shape")
    if shape is None and len(said["paths"]) > 1 and not said.get("either"):
        shape = [len(said["paths"])]
    field = "inputs[%d].shape" % at
    if dims is None:  # a model of any shape: the manifest decides
        return (shape or []), None
    if not dims:
        if shape:
            raise mismatch(model, field, contradiction(shape, info, "takes"))
        return [], 0
    if shape is not None:
        if fits(dims[1:], shape) or (shape == [] and fits(dims[1:], [1] * (len(dims) - 1))):
            return (shape or [1] * (len(dims) - 1)), dims[0]
        if fits(dims, shape):
            return shape, 0
        raise mismatch(model, field, contradiction(shape, info, "takes"))
    if None in dims[1:]:
        text = "is not said, and the model leaves it open: say the shape of one event. %s"
        raise mismatch(model, field, text % ("The model takes " + info_text(info)))
    return dims[1:], dims[0]


def fits(dims, shape):
    sizes = zip(dims, shape)
    return len(dims) == len(shape) and all(dim is None or dim == size for dim, size in sizes)


def contradiction(shape, info, verb):
    return "is %s, but the model %s %s" % (shape_text(shape), verb, info_text(info))


def bind_inputs(model, opened):
    """The model's inputs, each where the manifest says; without a manifest, under its name."""
    said = (model.get("manifest") or {}).get("inputs") or []
    known = dict((info.name, info) for info in opened.inputs)
    if not said:
        said = [
            {"name": name, "paths": [[name], ["telemetry", name]], "either": True} for name in known
        ]
    bound = []
    for at, one in enumerate(said):
        info = known.pop(one["name"], None)
        if info is None:
            text = 'is "%s", which the model has no input of. %s'
            complaint = text % (one["name"], signature_text(opened))
            raise mismatch(model, "inputs[%d].name" % at, complaint)
        if one.get("dtype") not in (None, info.dtype, info.raw_dtype):
            complaint = "is %s, but the model takes %s" % (one["dtype"], info_text(info))
            raise mismatch(model, "inputs[%d].dtype" % at, complaint)
        bound.append(BoundInput(model, at, one, info))
    for name in known:
        text = 'has nothing for the input "%s". %s'
        raise mismatch(model, "inputs", text % (name, signature_text(opened)))
    return bound


def bind_outputs(model, opened):
    """(output, path into the result) of every output that is wanted."""
    said = (model.get("manifest") or {}).get("outputs") or []
    known = dict((info.name, info) for info in opened.outputs)
    if not said:
        return [(info, [name]) for name, info in known.items()]
    bound = []
    for at, one in enumerate(said):
        info = known.get(one["name"])
        field = "outputs[%d]" % at
        if info is None:
            text = 'is "%s", which the model has no output of. %s'
            complaint = text % (one["name"], signature_text(opened))
            raise mismatch(model, field + ".name", complaint)
        if one.get("dtype") not in (None, info.dtype):
            complaint = "is %s, but the model gives %s" % (one["dtype"], info_text(info))
            raise mismatch(model, field + ".dtype", complaint)
        shape = one.get("shape")
        if shape and info.shape and not fits(info.shape[1:], shape) and not fits(info.shape, shape):
            raise mismatch(model, field + ".shape", contradiction(shape, info, "gives"))
        bound.append((info, one["path"]))
    return bound


def events_per_run(model, inputs):
    """How many events go into one run; None for any number."""
    rooms = set(1 if one.room == 0 else one.room for one in inputs)
    rooms.discard(None)
    if len(rooms) > 1:
        shown = ", ".join(map(str, sorted(rooms)))
        raise mismatch(model, "inputs", "begin with different sizes in the model: %s" % shown)
    return rooms.pop() if rooms else None


def signature_text(opened):
    texts = (list_text(opened.inputs), list_text(opened.outputs))
    return "The model takes %s and gives %s" % texts


def list_text(infos):
    texts = [info_text(info) for info in infos[:NAMES_SHOWN_MAX]]
    if len(infos) > NAMES_SHOWN_MAX:
        texts.append("%d more" % (len(infos) - NAMES_SHOWN_MAX))
    return ", ".join(texts) or "nothing"


def info_text(info):
    """Such as ``"features" float32[?, 4]``."""
    shape = " of any shape" if info.shape is None else shape_text(info.shape)
    return '"%s" %s%s' % (info.name, info.dtype, shape)


def shape_text(shape):
    return "[%s]" % ", ".join("?" if size is None else str(size) for size in shape)

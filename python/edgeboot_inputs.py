"""What a manifest says of inputs, and values out of events: for models that take numbers or texts.

``src/runtime/tensors`` does the same for models that run without Python; the table of cases in
``test/fixtures/inputs/cases.json`` is run over both. Standard library only; Python 3.6 and newer.
"""

from edgeboot_worker import LoadFailure

# The smallest number that rounds to infinity in a float type.
FLOAT_ENDS = {"float16": 65520.0, "float32": 2.0**128 - 2.0**103, "float64": float("inf")}
INTEGER_ENDS = {}
for bits in (8, 16, 32, 64):
    INTEGER_ENDS["int%d" % bits] = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    INTEGER_ENDS["uint%d" % bits] = (0, 2**bits - 1)

# An element is taken, or one of these says why it is not.
MISSING, WRONG_TYPE, OUT_OF_RANGE, FRACTION = "missing", "wrong type", "out of range", "fraction"

# In the place of an index: the value as a whole.
WHOLE = -1

# What a path leads to when it leads nowhere.
ABSENT = object()

DIMENSIONS_MAX = 16
SHOWN_CHARS_MAX = 60


class MissingInput(Exception):
    """A value is absent, null, or not finite, and the policy is reject."""


class InvalidInput(Exception):
    """A value that the element type cannot hold."""


class Skipped(Exception):
    """An event in which a value is missing, and the policy is skip: there is nothing to publish."""


class NotTaken(Exception):
    """A value that cannot be an element, and why."""

    def __init__(self, verdict, value, at, wanted=None):
        super(NotTaken, self).__init__(verdict)
        self.verdict, self.value, self.at, self.wanted = verdict, value, at, wanted


def mismatch(model, field, complaint):
    """A LoadFailure that names a field of the manifest, with its line and column.

    A field that is left out is said to be where the input or output is that it belongs to.
    """
    manifest = model.get("manifest") or {}
    where = manifest.get("file") or model["folder"]
    places = manifest.get("places") or {}
    for path in (field, field.split(".")[0] + ".name", field.split("[")[0]):
        if path in places:
            where = "%s:%s" % (where, places[path])
            break
    return LoadFailure("mismatch", "%s in %s %s" % (field, where, complaint), where)


class Input(object):
    """One input of a manifest: takes its values out of events.

    With several paths each has one element; with one path, what it leads to is a scalar or an array
    of arrays. Raises LoadFailure for a missing-value policy that the type cannot follow.
    """

    def __init__(self, model, at, said, dtype, shape=None):
        self.name, self.paths = said["name"], said["paths"]
        self.dtype = said.get("dtype") or dtype
        # Without a manifest there are several places to look in.
        each = len(self.paths) > 1 and not said.get("either")
        self.shape = said.get("shape")
        if self.shape is None:
            self.shape = [len(self.paths)] if each else (shape or [])
        self.size = 1
        for length in self.shape:
            self.size *= length
        self.field = "inputs[%d]" % at
        self._each = each
        self._convert = converter(self.dtype)
        self._missing = said.get("missing") or {"kind": "reject"}
        self._stand_in = ABSENT
        if each and self.size != len(self.paths):
            text = 'of "%s" is %s, which has not one element for each of %d paths'
            complaint = text % (self.name, self.shape, len(self.paths))
            raise mismatch(model, self.field + ".shape", complaint)
        self._check_policy(model)

    def take(self, event):
        """The elements of this input in an event, row by row.

        Raises MissingInput, InvalidInput or Skipped.
        """
        try:
            if self._each:
                return [self._put(value_at(event, path), i) for i, path in enumerate(self.paths)]
            if self.size == 1:
                return [self._put(unwrapped(self._first(event)), 0)]
            return self._whole(self._first(event))
        except NotTaken as fault:
            raise self._refusal(fault)

    def _check_policy(self, model):
        kind = self._missing["kind"]
        text = 'of "%s" is %s, which the type %s cannot hold'
        if kind == "nan":
            if not self.dtype.startswith("float"):
                complaint = text % (self.name, "nan", self.dtype)
                raise mismatch(model, self.field + ".missing", complaint)
            self._stand_in = float("nan")
        elif kind == "fill":
            value = self._missing["value"]
            try:
                self._stand_in = self._convert(value)
            except NotTaken:
                shown = '"%s"' % value if isinstance(value, str) else number_text(value)
                complaint = text % (self.name, shown, self.dtype)
                raise mismatch(model, self.field + ".missing", complaint)

    def _first(self, event):
        for path in self.paths:
            value = value_at(event, path)
            if value is not ABSENT:
                return value
        return ABSENT

    def _put(self, value, at):
        try:
            return self._convert(value)
        except NotTaken as fault:
            if fault.verdict == MISSING and self._stand_in is not ABSENT:
                return self._stand_in
            fault.at = at
            raise

    def _whole(self, value):
        elements = []
        if type(value) is list:
            self._fill(value, 0, elements)
        elif value is ABSENT or value is None:
            if self._stand_in is ABSENT:
                raise NotTaken(MISSING, value, WHOLE)
            elements.extend([self._stand_in] * self.size)
        else:
            raise NotTaken(WRONG_TYPE, value, WHOLE)
        return elements

    def _fill(self, values, depth, elements):
        size = self.shape[depth]
        if len(values) != size:
            at = WHOLE if depth == 0 else len(elements)
            raise NotTaken(WRONG_TYPE, values, at, size)
        if depth == len(self.shape) - 1:
            for value in values:
                elements.append(self._put(value, len(elements)))
            return
        for value in values:
            if type(value) is not list:
                raise NotTaken(WRONG_TYPE, value, len(elements))
            self._fill(value, depth + 1, elements)

    # Names and texts of errors are those of src/runtime/tensors/input-column.ts.

    def _refusal(self, fault):
        value = fault.value
        if fault.verdict == MISSING:
            if self._missing["kind"] == "skip":
                return Skipped()
            what = "is missing"
            if value is not ABSENT:
                what = "is null" if value is None else "is infinite"
            return MissingInput('input "%s": %s %s' % (self.name, self._place(fault.at), what))
        place, complaint = self._place(fault.at), self._complaint(fault)
        return InvalidInput('input "%s": %s is %s (%s)' % (self.name, place, complaint, self.dtype))

    def _complaint(self, fault):
        value = fault.value
        if fault.verdict == FRACTION:
            return "%s, which is not an integer" % number_text(value)
        if fault.verdict == OUT_OF_RANGE:
            return "%s, out of range" % number_text(value)
        if type(value) is list:
            if fault.wanted is None or fault.wanted == len(value):
                return "an array where there should be none"
            return "an array of %d where %d are wanted" % (len(value), fault.wanted)
        shown = json_text(value)[:SHOWN_CHARS_MAX] if type(value) is str else json_type(value)
        if self.size != 1 and not self._each:
            sizes = ", ".join(map(str, self.shape))
            return "%s where an array of shape [%s] is wanted" % (shown, sizes)
        kinds = {"string": "text", "bool": "boolean"}
        return "%s, not a %s" % (shown, kinds.get(self.dtype, "number"))

    def _place(self, at):
        if self._each:
            return path_text(self.paths[at])
        place = path_text(self.paths[0])
        return place if self.size == 1 or at == WHOLE else "%s (element %d)" % (place, at)


def converter(dtype):
    """A function that makes a value of an event an element of this type, or raises NotTaken."""
    if dtype == "string":
        return to_text
    if dtype == "bool":
        return to_bool
    if dtype in FLOAT_ENDS:
        return float_converter(FLOAT_ENDS[dtype])
    return integer_converter(*INTEGER_ENDS[dtype])


def to_text(value):
    if type(value) is str:
        return value
    raise NotTaken(missing_or(WRONG_TYPE, value), value, 0)


def to_bool(value):
    if value is True or value is False:
        return value
    if type(value) in (int, float):
        if value == 0 or value == 1:
            return value == 1
        raise NotTaken(MISSING if is_not_finite(value) else OUT_OF_RANGE, value, 0)
    raise NotTaken(missing_or(WRONG_TYPE, value), value, 0)


def float_converter(end):
    def to_float(value):
        if type(value) is float:
            number = value
        elif type(value) is int:
            try:
                number = float(value)
            except OverflowError:
                raise NotTaken(MISSING, float("inf") if value > 0 else float("-inf"), 0)
        else:
            raise NotTaken(missing_or(WRONG_TYPE, value), value, 0)
        if -end < number < end:
            return number
        raise NotTaken(MISSING if is_not_finite(number) else OUT_OF_RANGE, value, 0)

    return to_float


def integer_converter(least, most):
    def to_integer(value):
        if type(value) is not int:
            if type(value) is not float:
                raise NotTaken(missing_or(WRONG_TYPE, value), value, 0)
            if is_not_finite(value):
                raise NotTaken(MISSING, value, 0)
        if not least <= value <= most:
            raise NotTaken(OUT_OF_RANGE, value, 0)
        if int(value) != value:
            raise NotTaken(FRACTION, value, 0)
        return int(value)

    return to_integer


def missing_or(verdict, value):
    return MISSING if value is None or value is ABSENT else verdict


def is_not_finite(number):
    return type(number) is float and number - number != 0


def value_at(event, path):
    """What a path leads to, or ABSENT."""
    value = event
    for step in path:
        if type(value) is dict:
            value = value.get(step if type(step) is str else str(step), ABSENT)
        elif type(value) is list and type(step) is int and step < len(value):
            value = value[step]
        else:
            return ABSENT
    return value


def unwrapped(value):
    """One element in as many arrays as may be around it."""
    for _ in range(DIMENSIONS_MAX):
        if type(value) is not list or len(value) != 1:
            break
        value = value[0]
    return value


def path_text(path):
    """Such as ``telemetry.values[0]``."""
    text = ""
    for step in path:
        if type(step) is int:
            text += "[%d]" % step
        elif is_word(step):
            text += "." + step if text else step
        else:
            text += "[%s]" % json_text(step)
    return text


def is_word(step):
    rest = step.replace("_", "a").replace("-", "a")
    return rest.isalnum() and (step[0] == "_" or step[0].isalpha())


def json_text(value):
    import json

    return json.dumps(value, ensure_ascii=False)


def json_type(value):
    if type(value) is bool:
        return "boolean"
    return "number" if type(value) in (int, float) else "object"


def number_text(value):
    """A number or null as it is written in JSON."""
    if value is None:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is float and value - value == 0 and abs(value) < 1e21 and value == int(value):
        return str(int(value))
    text = repr(value)
    names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return names.get(text, text.replace("e-0", "e-"))

"""Samples of the elementwise family."""

import numpy as np
from scipy import special

from tests.samples import FLOATS, INTS, ErrorSample, Sample, given, inputs, integers, normal, uniform

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -2.5, 10.0, -10.0, np.inf, np.nan, -np.inf]
EXTREMES = {d: np.array([0, 1, 2, 7, np.iinfo(d).max, np.iinfo(d).min, np.iinfo(d).max - 1], d) for d in INTS}


def gelu_tanh(x):
    return x * special.expit(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))


def gelu_slope(x):
    x = np.clip(x, -40, 40)
    return special.ndtr(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def same_kind(function):
    """Integers and bool stay as they are."""
    return lambda x: function(x) if x.dtype.kind == "f" else x


# op: reference, low and high end of the inputs, dtypes, exact
FLOAT, REAL, ALL = FLOATS, (*FLOATS, *INTS), (*FLOATS, *INTS, "bool")
BITS = ("int32",)  # rows of integer inputs; the other integer dtypes follow with their extremes
UNARY = {
    "neg": (np.negative, -3, 3, REAL, True),
    "abs": (np.abs, -3, 3, ALL, True),
    "sign": (np.sign, -3, 3, REAL, True),
    "square": (np.square, -3, 3, REAL, False),
    "reciprocal": (np.reciprocal, 0.5, 3, FLOAT, False),
    "sqrt": (np.sqrt, 0.5, 3, FLOAT, False),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0.5, 3, FLOAT, False),
    "floor": (np.floor, -3, 3, FLOAT, True),
    "ceil": (np.ceil, -3, 3, FLOAT, True),
    "round": (np.rint, -3, 3, FLOAT, True),
    "trunc": (same_kind(np.trunc), -3, 3, ALL, True),
    "exp": (np.exp, -3, 3, FLOAT, False),
    "expm1": (np.expm1, -3, 3, FLOAT, False),
    "log": (np.log, 0.5, 3, FLOAT, False),
    "log1p": (np.log1p, -0.4, 3, FLOAT, False),
    "sin": (np.sin, -7, 7, FLOAT, False),
    "cos": (np.cos, -7, 7, FLOAT, False),
    "tan": (np.tan, -1, 1, FLOAT, False),
    "asin": (np.arcsin, -0.8, 0.8, FLOAT, False),
    "acos": (np.arccos, -0.8, 0.8, FLOAT, False),
    "atan": (np.arctan, -3, 3, FLOAT, False),
    "sinh": (np.sinh, -3, 3, FLOAT, False),
    "cosh": (np.cosh, -3, 3, FLOAT, False),
    "tanh": (np.tanh, -3, 3, FLOAT, False),
    "asinh": (np.arcsinh, -3, 3, FLOAT, False),
    "acosh": (np.arccosh, 1.5, 4, FLOAT, False),
    "atanh": (np.arctanh, -0.8, 0.8, FLOAT, False),
    "erf": (special.erf, -3, 3, FLOAT, False),
    "erfc": (special.erfc, -3, 3, FLOAT, False),
    "erfinv": (special.erfinv, -0.8, 0.8, FLOAT, False),
    "sigmoid": (special.expit, -4, 4, FLOAT, False),
    "softplus": (lambda x: np.logaddexp(x, 0), -4, 4, FLOAT, False),
    "relu": (lambda x: np.maximum(x, np.zeros((), x.dtype)), -3, 3, REAL, True),
    "gelu": (lambda x: x * special.ndtr(x), -4, 4, FLOAT, False),
    "gelu_slope": (gelu_slope, -4, 4, FLOAT, False),
    "gelu_tanh": (gelu_tanh, -4, 4, FLOAT, False),
    "silu": (lambda x: x * special.expit(x), -4, 4, FLOAT, False),
    "isnan": (np.isnan, -3, 3, FLOAT, True),
    "isinf": (np.isinf, -3, 3, FLOAT, True),
    "isfinite": (np.isfinite, -3, 3, FLOAT, True),
    "logical_not": (np.logical_not, -3, 3, ALL, True),
    "bitwise_not": (np.invert, -3, 3, BITS, True),
}


def within(low, high, dtypes):
    """Makers of values for a row: whole numbers for rows of integers."""
    make = integers if dtypes == BITS else uniform
    return lambda *shape: make(low, high, *shape)


SAMPLES: list[Sample] = []
for op, (reference, low, high, dtypes, exact) in UNARY.items():
    make = within(low, high, dtypes)
    SAMPLES += [
        Sample(op, inputs(make(4, 5)), reference, dtypes=dtypes, exact=exact, big=inputs(make(300, 500))),
        Sample(op, inputs(make()), reference, label="scalar", dtypes=dtypes, exact=exact),
        Sample(op, inputs(make(0, 3)), reference, label="empty", dtypes=dtypes, exact=exact),
        # More than one tile in a row, so that other layouts are cut otherwise.
        Sample(op, inputs(make(3, 1100)), reference, label="rows", dtypes=dtypes[:1], exact=exact, gradient=()),
    ]
    if "float32" in dtypes:
        # Where x times 0 is the limit, the composition gives NaN at -infinity: tests/table/test_elementwise.py.
        values = SPECIAL[:-1] if op in ("gelu", "gelu_tanh", "silu") else SPECIAL
        SAMPLES.append(Sample(op, inputs(given(values)), reference, label="special", exact=exact, gradient=()))
    if "int32" in dtypes and op != "logical_not":
        SAMPLES += [
            Sample(op, inputs(given(EXTREMES[d], d)), reference, label=d, dtypes=(d,), exact=True) for d in INTS
        ]


def pairs(first, second):
    """Maker of two inputs of the given shapes."""
    return lambda a, b: inputs(first(*a), second(*b))


def integer_power(a, b):
    """Wrapping powers; a negative exponent truncates."""
    bits = 8 * a.dtype.itemsize
    out = []
    for x, y in zip(*(v.ravel().tolist() for v in np.broadcast_arrays(a, b)), strict=True):
        value = pow(x, y, 2**bits) if y >= 0 else int(x**2 == 1) * (x if y % 2 else 1)
        out.append(value % 2**bits)
    return np.array(out, f"uint{bits}").astype(a.dtype).reshape(np.broadcast_shapes(a.shape, b.shape))


def shift(right):
    """Shifts by the width or more push every bit out."""

    def reference(a, b):
        bits = 8 * a.dtype.itemsize
        out = []
        for x, y in zip(*(v.ravel().tolist() for v in np.broadcast_arrays(a, b)), strict=True):
            count = y % 2**bits
            value = (x >> min(count, bits)) if right else (x << count if count < bits else 0)
            out.append(value % 2**bits)
        return np.array(out, f"uint{bits}").astype(a.dtype).reshape(np.broadcast_shapes(a.shape, b.shape))

    return reference


def power(a, b):
    return np.power(a, b) if a.dtype.kind == "f" else integer_power(a, b)


def sigmoid_cross_entropy(x, z):
    return np.maximum(x, 0) - x * z + np.log1p(np.exp(-np.abs(x)))


def as_bool(function):
    return lambda a, b: function(a.astype(bool), b.astype(bool))


# op: reference, range of a, range of b, dtypes, exact
BINARY = {
    "add": (np.add, (-3, 3), (-3, 3), ALL, False),
    "subtract": (np.subtract, (-3, 3), (-3, 3), REAL, False),
    "multiply": (np.multiply, (-3, 3), (-3, 3), ALL, False),
    "divide": (np.divide, (-3, 3), (0.5, 3), FLOAT, False),
    "floor_divide": (np.floor_divide, (-9, 9), (1.5, 3), REAL, False),
    "remainder": (np.remainder, (-9, 9), (1.5, 3), REAL, False),
    "power": (power, (0.5, 2), (-2, 2), REAL, False),
    "maximum": (np.maximum, (-3, 3), (-3, 3), ALL, True),
    "minimum": (np.minimum, (-3, 3), (-3, 3), ALL, True),
    "atan2": (np.arctan2, (-3, 3), (0.5, 3), FLOAT, False),
    "sigmoid_cross_entropy": (sigmoid_cross_entropy, (-4, 4), (0, 1), FLOAT, False),
    "equal": (np.equal, (-3, 3), (-3, 3), ALL, True),
    "not_equal": (np.not_equal, (-3, 3), (-3, 3), ALL, True),
    "less": (np.less, (-3, 3), (-3, 3), ALL, True),
    "less_equal": (np.less_equal, (-3, 3), (-3, 3), ALL, True),
    "greater": (np.greater, (-3, 3), (-3, 3), ALL, True),
    "greater_equal": (np.greater_equal, (-3, 3), (-3, 3), ALL, True),
    "logical_and": (as_bool(np.logical_and), (-3, 3), (-3, 3), ALL, True),
    "logical_or": (as_bool(np.logical_or), (-3, 3), (-3, 3), ALL, True),
    "logical_xor": (as_bool(np.logical_xor), (-3, 3), (-3, 3), ALL, True),
    "bitwise_and": (np.bitwise_and, (-3, 3), (-3, 3), BITS, True),
    "bitwise_or": (np.bitwise_or, (-3, 3), (-3, 3), BITS, True),
    "bitwise_xor": (np.bitwise_xor, (-3, 3), (-3, 3), BITS, True),
    "left_shift": (shift(right=False), (-3, 3), (0, 5), BITS, True),
    "right_shift": (shift(right=True), (-3, 3), (0, 5), BITS, True),
}
# Quotients and exponents of numbers of opposite sign.
PAIRS = [7.0, -7.0, 7.0, -7.0, 6.0, -6.0, 0.0, 5.0, -1.0, 1.0], [2.0, 2.0, -2.0, -2.0, 3.0, -3.0, 4.0, 9.0, 9.0, -9.0]

for op, (reference, (a_low, a_high), (b_low, b_high), dtypes, exact) in BINARY.items():
    pair = pairs(within(a_low, a_high, dtypes), within(b_low, b_high, dtypes))
    one = dtypes[:1]
    SAMPLES += [
        Sample(op, pair((4, 5), (4, 5)), reference, dtypes=dtypes, exact=exact, big=pair((300, 500), (300, 500))),
        Sample(op, pair((4, 5), (5,)), reference, label="row", dtypes=dtypes, exact=exact,
               big=pair((300, 500), (500,))),
        Sample(op, pair((4, 1), (4, 5)), reference, label="column", dtypes=dtypes, exact=exact),
        Sample(op, pair((), (4, 5)), reference, label="scalar", dtypes=dtypes, exact=exact),
        Sample(op, pair((2, 1, 3), (4, 1)), reference, label="outer", dtypes=dtypes, exact=exact),
        Sample(op, pair((0, 3), (3,)), reference, label="empty", dtypes=dtypes, exact=exact),
        Sample(op, pair((1100, 3), (3,)), reference, label="thin", dtypes=one, exact=exact, gradient=()),
        Sample(op, pair((3, 1100), (3, 1)), reference, label="rows", dtypes=one, exact=exact, gradient=()),
    ]  # fmt: skip
    if "float32" in dtypes and op not in ("floor_divide", "remainder", "sigmoid_cross_entropy"):
        values = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -3.0, np.inf, -np.inf, np.nan]
        SAMPLES.append(Sample(op, inputs(given(np.reshape(values, (-1, 1))), given(values)), reference, label="special",
                              exact=exact, gradient=()))  # fmt: skip
    if op in ("floor_divide", "remainder"):
        SAMPLES.append(Sample(op, inputs(*(given(p) for p in PAIRS)), reference, label="signs", exact=True, gradient=(),
                              dtypes=(*FLOATS, "int8", "int32", "int64")))  # fmt: skip
    if "int32" in dtypes and not op.startswith("logical"):
        # Division by zero, the lowest number by -1, shifts beyond the width, overflow.
        SAMPLES += [
            Sample(op, inputs(given(np.reshape(EXTREMES[d], (-1, 1)), d), given(EXTREMES[d], d)), reference, label=d,
                   dtypes=(d,), exact=True)
            for d in INTS
        ]  # fmt: skip
SAMPLES += [
    *(Sample(op, inputs(given([[True], [False]], "bool"), given([True, False], "bool")), reference, label="bool",
             dtypes=("bool",), exact=True)
      for op, reference in (("bitwise_and", np.logical_and), ("bitwise_or", np.logical_or),
                            ("bitwise_xor", np.logical_xor))),
    Sample("bitwise_not", inputs(given([True, False], "bool")), np.logical_not, label="bool", dtypes=("bool",),
           exact=True),
    # The dtype both convert to.
    Sample("add", inputs(normal(4, 5), integers(-9, 9, 5)), np.add, label="with integers"),
    Sample("multiply", inputs(integers(0, 99, 4, 5, dtype="uint8"), integers(-99, 99, 5, dtype="int16")), np.multiply,
           label="uint8 and int16", dtypes=("int16",), exact=True),
    Sample("less", inputs(uniform(-3, 3, 4, 5), integers(-3, 3, 5)), np.less, label="with integers", exact=True),
    Sample("divide", inputs(integers(-9, 9, 4, 5), integers(1, 9, 5)), np.divide, label="of integers",
           dtypes=("float32",)),
]  # fmt: skip


def chosen(*shape):
    """Random bools."""
    return lambda rng: rng.integers(0, 2, shape).astype(bool)


def where(condition, a, b):
    return np.where(condition.astype(bool), a, b)


def clip(x, low, high):
    return np.minimum(np.maximum(x, low), high)


def cast(x, dtype):
    if dtype == "bool":
        return x != 0
    if not dtype.startswith(("int", "uint")) or x.dtype.kind != "f":
        return x.astype("float64" if dtype == "bfloat16" else dtype)  # NumPy has no bfloat16
    limits = np.iinfo(dtype)
    values = [0 if np.isnan(v) else int(min(max(v, -1e30), 1e30)) for v in x.ravel()]
    return np.array([min(max(v, limits.min), limits.max) for v in values], dtype).reshape(x.shape)


SAMPLES += [
    Sample("where", inputs(chosen(4, 5), normal(4, 5), normal(4, 5)), where, dtypes=ALL, exact=True,
           big=inputs(chosen(300, 500), normal(300, 500), normal(500))),
    Sample("where", inputs(chosen(4, 1), normal(5), normal()), where, label="broadcast", dtypes=ALL, exact=True),
    Sample("where", inputs(integers(-1, 2, 5), normal(4, 5), normal(5)), where, label="integer condition", exact=True),
    Sample("where", inputs(chosen(0, 3), normal(3), normal()), where, label="empty", exact=True),
    Sample("clip", inputs(normal(4, 5), given(-0.5), given(0.75)), clip, dtypes=REAL, exact=True,
           big=inputs(normal(300, 500), normal(500), normal(500))),
    Sample("clip", inputs(normal(4, 5), normal(5), normal(4, 1)), clip, label="broadcast", dtypes=REAL, exact=True),
    Sample("clip", inputs(given(SPECIAL), given(-1.0), given(1.0)), clip, label="special", exact=True, gradient=()),
    Sample("stop_gradient", inputs(normal(4, 5)), lambda x: x, dtypes=ALL, exact=True, big=inputs(normal(300, 500))),
]  # fmt: skip
for to in ALL:
    SAMPLES += [
        Sample("cast", inputs(uniform(-100, 100, 4, 5)), cast, {"dtype": to}, to, dtypes=ALL,
               exact=to not in FLOATS, gradient=(0,) if to == "float64" else (), big=inputs(normal(300, 500))),
        Sample("cast", inputs(given([*SPECIAL, 300.7, -300.7, 7e4, -7e4, 2e18, -2e18])), cast, {"dtype": to},
               f"{to} special", exact=to not in FLOATS, gradient=()),
    ]  # fmt: skip
    SAMPLES += [
        Sample("cast", inputs(given(EXTREMES[d], d)), cast, {"dtype": to}, f"{d} to {to}", dtypes=(d,),
               exact=to not in FLOATS)
        for d in INTS
    ]  # fmt: skip

_complex = np.ones(2, "complex64")
_float, _int, _bool = np.ones(2, "float32"), np.ones(2, "int32"), np.ones(2, bool)
ERRORS: list[ErrorSample] = []
for op in UNARY:
    ERRORS.append(ErrorSample(op, (_complex,), TypeError, "got complex64; cast"))
for op in BINARY:
    ERRORS.append(ErrorSample(op, (_complex, _float), TypeError, "got complex64 and float32; cast"))
    ERRORS.append(ErrorSample(op, (np.ones((2, 3), "int32"), _int), ValueError, r"\(2, 3\) and \(2,\) do not"))
ERRORS += [
    ErrorSample("subtract", (_bool, _bool), TypeError, "use logical_xor"),
    ErrorSample("neg", (_bool,), TypeError, "use logical_not"),
    *(ErrorSample(op, (_bool,), TypeError, "integer or floating dtype, got bool") for op in ("sign", "round")),
    ErrorSample("bitwise_not", (_float,), TypeError, "expected an integer dtype or bool, got float32"),
    *(
        ErrorSample(op, (_float, _int), TypeError, "expected an integer dtype.*, got float32 and int32; cast")
        for op in ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift")
    ),
    ErrorSample("where", (_bool, _complex, _float), TypeError, "got complex64"),
    ErrorSample("where", (np.ones(3, bool), _float, _float), ValueError, "do not broadcast"),
    ErrorSample("clip", (_complex, _float, _float), TypeError, "got complex64"),
    ErrorSample("cast", (_complex,), TypeError, "no conversion from complex64 to int32", {"dtype": "int32"}),
    ErrorSample("stop_gradient", (_float, _float), ValueError, "expected 1 inputs, got 2"),
]

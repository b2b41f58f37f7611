"""Samples of the reduce family."""

import numpy as np

from tests.samples import INTS, ErrorSample, Sample, given, inputs, integers, normal, uniform


def _axes(axes: tuple[int, ...]) -> tuple[int, ...] | None:
    return axes or None


def _reference(name):
    function = getattr(np, name)
    return lambda x, axes=(), keepdims=False: function(x, axis=_axes(axes), keepdims=keepdims)


def _logsumexp(x, axes=(), keepdims=False):
    largest = x.max(axis=_axes(axes), keepdims=True)
    shift = np.where(np.isfinite(largest), largest, 0)
    return np.log(np.exp(x - shift).sum(axis=_axes(axes), keepdims=keepdims)) + shift.reshape(
        x.max(axis=_axes(axes), keepdims=keepdims).shape
    )


def _arg(name):
    function = getattr(np, name)
    return lambda x, axis, keepdims=False: function(x, axis=axis, keepdims=keepdims).astype("int32")


def _scan(name):
    function = getattr(np, name)

    def reference(x, axis, reverse=False):
        dtype = "int32" if x.dtype == bool else x.dtype
        y = function(np.flip(x, axis) if reverse else x, axis=axis, dtype=dtype)
        return np.flip(y, axis) if reverse else y

    return reference


def _wide(name):
    """Sums of integers and bool are of at least 32 bits."""
    function = getattr(np, name)

    def reference(x, axes=(), keepdims=False):
        dtype = "int32" if x.dtype == bool else np.promote_types(x.dtype, "uint32" if x.dtype.kind == "u" else "int32")
        return function(x, axis=_axes(axes), keepdims=keepdims, dtype=dtype)

    return reference


# A product chains one rounding per element.
PRODUCT = {"float32": 1e-5}
# A sum of numbers of both signs is as exact as the sum of their sizes, here some 10 times the result.
SUM = {"float32": 2e-5, "float64": 1e-11}

SAMPLES: list[Sample] = []
for op, make, tolerance in (
    ("sum", normal, SUM),
    ("prod", lambda *shape: uniform(0.5, 1.5, *shape), PRODUCT),
    ("max", normal, {}),
    ("min", normal, {}),
):
    exact = op in ("max", "min")
    reference = _reference(op)
    SAMPLES += [
        Sample(op, inputs(make(7)), reference, label="vector", tolerance=tolerance, exact=exact),
        Sample(op, inputs(make()), reference, label="scalar", tolerance=tolerance, exact=exact),
        Sample(op, inputs(make(3, 5, 2)), reference, {"axes": (1,)}, "middle", tolerance=tolerance, exact=exact),
        Sample(op, inputs(make(3, 5, 2)), reference, {"axes": (-1, 0), "keepdims": True}, "keepdims",
               tolerance=tolerance, exact=exact),
        Sample(op, inputs(make(0, 3)), reference, {"axes": (1,)}, "no results", exact=True),
        # Rows longer than a fold's lanes, and columns in more than one block.
        Sample(op, inputs(make(3, 70)), reference, {"axes": (-1,)}, "rows", tolerance=tolerance, exact=exact,
               big=inputs(make(300, 700))),
        Sample(op, inputs(make(40, 9)), reference, {"axes": (0,)}, "columns", tolerance=tolerance, exact=exact,
               big=inputs(make(3000, 90))),
        Sample(op, inputs(make(130, 3)), reference, {"axes": (0,)}, "thin", tolerance=tolerance, exact=exact,
               big=inputs(make(60_000, 3))),
    ]  # fmt: skip
    SAMPLES += [
        Sample(op, inputs(integers(*((1, 3) if op == "prod" else (0, 100)), 4, 5, dtype=d)),
               reference if exact else _wide(op), {"axes": (1,)}, d, dtypes=("float64",), exact=True)
        for d in INTS
    ] + [
        Sample(op, inputs(given([[True, False], [True, True]], "bool")), reference if exact else _wide(op),
               {"axes": (1,)}, "bool", dtypes=("float64",), exact=True),
    ]  # fmt: skip

SAMPLES += [
    Sample("sum", inputs(normal(2, 3)), _reference("sum"), {}, "everything", big=inputs(normal(300_000))),
    Sample("sum", inputs(normal(3, 0)), _reference("sum"), {"axes": (1,)}, "of nothing", exact=True),
    Sample("prod", inputs(normal(3, 0)), _reference("prod"), {"axes": (1,)}, "of nothing", exact=True),
    # No division by the zero, and the gradient of two zeros is zero.
    Sample("prod", inputs(given([[2, 0, 3], [0, 4, 0], [1, 2, 3]])), _reference("prod"), {"axes": (1,)}, "zeros"),
    Sample("prod", inputs(uniform(0.5, 1.5, 2, 3, 2)), _reference("prod"), {"axes": (0, 2)}, "two axes"),
    Sample("max", inputs(given([1, np.nan, 3])), _reference("max"), label="nan", gradient=(), exact=True),
    Sample("min", inputs(given([1, np.nan, 3])), _reference("min"), label="nan", gradient=(), exact=True),
    Sample("max", inputs(given([2**63, 2**63 + 5, 7], "uint64")), _reference("max"), label="beyond int64", exact=True),
]
for op in ("any", "all"):
    SAMPLES += [
        Sample(op, inputs(given([[0, 1, 2], [0, 0, -0.0], [np.nan, 3, 4]])), _reference(op), {"axes": (1,)}, exact=True,
               big=inputs(integers(0, 2, 300, 700, dtype="bool"))),
        Sample(op, inputs(given([[True, False], [False, False]], "bool")), _reference(op), label="everything",
               exact=True),
        Sample(op, inputs(integers(0, 2, 6, 5, dtype="int8")), _reference(op), {"axes": (0,), "keepdims": True}, "int8",
               dtypes=("float64",), exact=True),
        Sample(op, inputs(normal(2, 0)), _reference(op), {"axes": (1,)}, "of nothing", exact=True),
    ]  # fmt: skip

SAMPLES += [
    Sample("logsumexp", inputs(normal(3, 70)), _logsumexp, {"axes": (1,)}, "rows", big=inputs(normal(300, 700))),
    Sample("logsumexp", inputs(normal(40, 9)), _logsumexp, {"axes": (0,)}, "columns", big=inputs(normal(3000, 90))),
    Sample("logsumexp", inputs(normal(2, 3, 4)), _logsumexp, {"axes": (0, 2), "keepdims": True}, "keepdims"),
    # exp of either alone overflows or vanishes.
    Sample("logsumexp", inputs(given([[600, 601, 500], [-800, -801, -900]])), _logsumexp, {"axes": (1,)}, "far",
           dtypes=("float64", "float32")),
    Sample("logsumexp", inputs(given([[-np.inf, -np.inf], [1, -np.inf], [np.inf, 0]])), _logsumexp, {"axes": (1,)},
           "infinite", gradient=()),
]  # fmt: skip
for op in ("argmax", "argmin"):
    reference = _arg(op)
    SAMPLES += [
        Sample(op, inputs(normal(3, 70)), reference, {"axis": 1}, "rows", big=inputs(normal(300, 700))),
        Sample(op, inputs(normal(40, 9)), reference, {"axis": 0}, "columns", big=inputs(normal(3000, 90))),
        Sample(op, inputs(normal(2, 3, 4)), reference, {"axis": -2, "keepdims": True}, "keepdims"),
        # The first of equals.
        Sample(op, inputs(given([[3, 1, 3, 1], [2, 2, 2, 2]])), reference, {"axis": 1}, "ties"),
        Sample(op, inputs(given([[3, 1, 3, 1], [2, 2, 2, 2]])), reference, {"axis": 0}, "ties of columns"),
        Sample(op, inputs(given([[1, np.nan, 5], [np.nan, 2, np.nan]])), reference, {"axis": 1}, "nan"),
        Sample(op, inputs(given([[1, np.nan, 5], [np.nan, 2, np.nan]])), reference, {"axis": 0}, "nan of columns"),
        *(Sample(op, inputs(integers(0, 100, 4, 30, dtype=d)), reference, {"axis": 1}, d, dtypes=("float64",))
          for d in INTS),
    ]  # fmt: skip
for op in ("cumsum", "cumprod"):
    make = normal if op == "cumsum" else lambda *shape: uniform(0.5, 1.5, *shape)
    reference, tolerance = _scan(op), SUM if op == "cumsum" else PRODUCT
    SAMPLES += [
        Sample(op, inputs(make(3, 70)), reference, {"axis": 1}, "rows", tolerance=tolerance,
               big=inputs(make(3, 200_000) if op == "cumsum" else uniform(0.9999, 1.0001, 3, 200_000))),
        Sample(op, inputs(make(12, 5)), reference, {"axis": 0}, "columns", tolerance=tolerance,
               big=inputs(make(64, 3000))),
        Sample(op, inputs(make(2, 6, 3)), reference, {"axis": -2, "reverse": True}, "reverse", tolerance=tolerance),
        Sample(op, inputs(make(2, 7)), reference, {"axis": 1, "reverse": True}, "reverse rows", tolerance=tolerance),
        Sample(op, inputs(make(0, 3)), reference, {"axis": 0}, "nothing"),
        Sample(op, inputs(integers(-3, 4, 2, 9, dtype="int8")), reference, {"axis": 1}, "int8 wraps",
               dtypes=("float64",)),
        Sample(op, inputs(given([True, True, False, True], "bool")), reference, {"axis": 0}, "bool",
               dtypes=("float64",)),
    ]  # fmt: skip
SAMPLES += [
    Sample("cumprod", inputs(given([[2, 0, 3, 4], [0, 5, 0, 2]])), _scan("cumprod"), {"axis": 1}, "zeros"),
    Sample("cumprod", inputs(given([[2, 0, 3, 4], [0, 5, 0, 2]])), _scan("cumprod"), {"axis": 1, "reverse": True},
           "zeros in reverse"),
]  # fmt: skip


def _program(reduction, program, *results, dtypes="float64 float64", **attrs):
    return {"reduction": reduction, "program": program, "dtypes": dtypes, "results": results, **attrs}


# A program says its dtypes, so these rows are of float64; tests/graph has the others.
SAMPLES += [
    Sample("reduce_fused", inputs(normal(5, 7), normal(7)), lambda a, b, **_: ((a - b) ** 2).sum(),
           _program("sum", "subtract 0 1;square 2", 3), "squared error", dtypes=("float64",),
           big=inputs(normal(3000, 401), normal(401))),
    Sample("reduce_fused", inputs(normal(6, 5), normal(6, 5)), lambda a, b, **_: ((a * b).sum(0), a * b, a * b + a),
           _program("sum", "multiply 0 1;add 2 0", 2, 2, 3, axes=(0,)), "returned as well", dtypes=("float64",),
           big=inputs(normal(4000, 90), normal(4000, 90))),
    Sample("reduce_fused", inputs(normal(4, 1, 5), normal(3, 1)),
           lambda a, b, **_: np.abs(a * b).max((0, 2), keepdims=True),
           _program("max", "multiply 0 1;abs 2", 3, axes=(-1, 0), keepdims=True), "stretched", dtypes=("float64",),
           big=inputs(normal(30, 1, 500), normal(40, 1))),
    Sample("reduce_fused", inputs(normal(70, 3), normal(1, 1)), lambda a, b, **_: (a > b).any(1),
           _program("any", "greater 0 1", 2, axes=(1,)), "few side by side", dtypes=("float64",), gradient=(),
           big=inputs(normal(90_000, 7), normal(1, 1))),
]  # fmt: skip

ERRORS: list[ErrorSample] = [
    *(ErrorSample("reduce_fused", (np.zeros(3),), ValueError, f"'{name}' is no reduction",
                  _program(name, "exp 0", 1, dtypes="float64")) for name in ("cumsum", "argmax", "nothing")),
    ErrorSample("reduce_fused", (np.zeros(3),), ValueError, "expected 2 inputs, got 1", _program("sum", "add 0 1", 2)),
    ErrorSample("reduce_fused", (np.zeros(3),), IndexError, "axis 1 is out of range",
                _program("sum", "exp 0", 1, dtypes="float64", axes=(1,))),
    *(ErrorSample(op, (np.zeros((2, 3)),), IndexError, "axis 2 is out of range", {"axes": (2,)})
      for op in ("sum", "prod", "max", "min", "any", "all", "logsumexp")),
    *(ErrorSample(op, (np.zeros((2, 3)),), ValueError, "axis 1 is given twice", {"axes": (1, -1)})
      for op in ("sum", "logsumexp")),
    *(ErrorSample(op, (np.zeros((2, 3)),), IndexError, "axis -3 is out of range", {"axis": -3})
      for op in ("argmax", "argmin", "cumsum", "cumprod")),
    *(ErrorSample(op, (np.zeros((2, 0)),), ValueError, r"axis 1 of x \(2, 0\) is empty", {"axes": (1,)})
      for op in ("max", "min")),
    *(ErrorSample(op, (np.zeros((2, 0)),), ValueError, r"axis 1 of x \(2, 0\) is empty", {"axis": 1})
      for op in ("argmax", "argmin")),
    ErrorSample("logsumexp", (np.zeros(3, "int32"),), TypeError, "expected a floating dtype, got int32"),
]  # fmt: skip

"""Samples of the index family. Values that only move are exact in every dtype; sums round once from float32."""

import numpy as np

from tests.samples import FLOATS, INTS, ErrorSample, Sample, given, inputs, integers, normal, uniform

ALL = (*FLOATS, *INTS, "bool")


def _at(indices):
    """The index arrays of the first dimensions, from rows of indices."""
    return tuple(np.moveaxis(indices.astype("int64"), -1, 0))


def _gather_nd(x, indices):
    return x[_at(indices)]


def _scatter_add(x, indices, updates):
    y = x.copy()
    np.add.at(y, _at(indices), updates)
    return y


def _scatter(x, indices, updates):
    y = x.copy()
    k = indices.shape[-1]
    rows = indices.reshape(-1, k)
    for row, update in zip(rows, updates.reshape(len(rows), *x.shape[k:]), strict=True):
        y[tuple(row)] = update
    return y


def _scatter_add_along_axis(x, indices, updates, axis):
    y = x.copy()
    places = list(np.indices(indices.shape))
    places[axis] = indices.astype("int64")
    np.add.at(y, tuple(places), updates)
    return y


def _one_hot(indices, depth, dtype="float32"):
    return (indices[..., None] == np.arange(depth)).astype(dtype)


def _values(*shape):
    return uniform(0, 10, *shape)


def _take(label, shape, indices, axis, big=None):
    reference = lambda x, indices, axis: np.take(x, indices, axis)  # noqa: E731
    attrs = {"axis": axis}
    return Sample("take", inputs(_values(*shape), indices), reference, attrs, label, ALL, big, exact=True)


def _take_along_axis(label, shape, indices, axis, big=None):
    reference = lambda x, indices, axis: np.take_along_axis(x, indices.astype("int64"), axis)  # noqa: E731
    attrs = {"axis": axis}
    return Sample("take_along_axis", inputs(_values(*shape), indices), reference, attrs, label, ALL, big, exact=True)


def _gather(label, shape, indices, big=None):
    return Sample("gather_nd", inputs(_values(*shape), indices), _gather_nd, {}, label, ALL, big, exact=True)


def _scattered(op, label, shape, indices, updates, big=None, **attrs):
    reference = {
        "scatter_add": _scatter_add,
        "scatter": _scatter,
        "scatter_add_along_axis": _scatter_add_along_axis,
    }[op]
    make = inputs(_values(*shape), indices, _values(*updates))
    return Sample(op, make, reference, attrs, label, ALL, big, exact=op == "scatter")


def _rows(op):
    """Samples of ops that write updates at points, with repeated and negative indices."""
    big = inputs(normal(500, 70), integers(-500, 500, 3000, 1), normal(3000, 70))
    return [
        _scattered(op, "rows", (5, 3), given([[1], [4], [1], [-1], [1]], "int32"), (5, 3), big),
        _scattered(op, "points", (3, 4), given([[[0, 1], [2, -1]], [[0, 1], [0, 0]]], "int64"), (2, 2)),
        _scattered(op, "one", (4, 2), given([3], "uint8"), (2,)),
        _scattered(op, "none", (4, 2), given(np.zeros((0, 1)), "int32"), (0, 2)),
        _scattered(op, "narrow", (6,), integers(-6, 6, 20, 1), (20,)),
    ]


_BIG_ALONG = integers(0, 300, 2000, 40)

SAMPLES: list[Sample] = [
    _take("rows", (5, 3), given([[0, -1], [4, 0]], "int32"), 0, inputs(normal(500, 64), integers(0, 500, 4000))),
    _take("last", (2, 5), given([4, 4, 0], "int64"), -1),
    _take("middle", (2, 4, 3), given([1, 2, -4], "int8"), 1),
    _take("scalar", (3, 2), given(2, "uint16"), 0),
    _take("none", (3, 2), given(np.zeros((0,)), "int32"), 1),
    _take_along_axis("last", (3, 5), integers(-5, 5, 3, 7), -1, inputs(normal(2000, 50), integers(0, 50, 2000, 60))),
    _take_along_axis("first", (4, 3), integers(-4, 4, 2, 3, dtype="int64"), 0),
    _take_along_axis("middle", (2, 4, 3), integers(0, 4, 2, 5, 3, dtype="uint8"), 1),
    _gather("rows", (5, 3), given([[1], [-1], [1]], "int32"), inputs(normal(500, 64), integers(0, 500, 4000, 1))),
    _gather("points", (3, 4, 2), given([[[0, 1], [2, -1]]], "int64")),
    _gather("elements", (3, 4), integers(0, 3, 6, 2)),
    *_rows("scatter_add"),
    *_rows("scatter"),
    _scattered(
        "scatter_add_along_axis",
        "first",
        (4, 3),
        integers(-4, 4, 6, 3),
        (6, 3),
        inputs(normal(300, 40), _BIG_ALONG, normal(2000, 40)),
        axis=0,
    ),
    _scattered("scatter_add_along_axis", "last", (3, 4), integers(0, 4, 3, 6, dtype="int64"), (3, 6), axis=1),
    _scattered("scatter_add_along_axis", "middle", (2, 3, 2), integers(0, 3, 2, 4, 2), (2, 4, 2), axis=1),
    Sample(
        "one_hot",
        inputs(integers(-2, 6, 3, 4)),
        _one_hot,
        {"depth": 4},
        big=inputs(integers(0, 50, 5000)),
        dtypes=("float64",),
        exact=True,
    ),
    Sample(
        "one_hot",
        inputs(given(2, "uint8")),
        _one_hot,
        {"depth": 3, "dtype": "bool"},
        "scalar",
        dtypes=("float64",),
        exact=True,
    ),
]

_X = np.zeros((3, 5), "float32")
_POINT = np.array([[1]], "int32")
ERRORS: list[ErrorSample] = [
    ErrorSample(
        "take", (_X, np.array([0, 5])), IndexError, "index 5 is out of range for axis 1 of size 5", {"axis": 1}
    ),
    ErrorSample("take", (_X, np.array([-4])), IndexError, "index -4 is out of range for axis 0", {"axis": 0}),
    ErrorSample("take", (_X[:, :0], np.zeros(0, "int32")), IndexError, "axis 2 is out of range", {"axis": 2}),
    ErrorSample("take", (_X, np.array([1.0])), TypeError, "indices must be integers", {"axis": 0}),
    ErrorSample("take_along_axis", (_X, np.zeros((2, 5), "int32")), ValueError, "do not fit x", {"axis": 1}),
    ErrorSample("take_along_axis", (_X, np.full((3, 1), 5)), IndexError, "index 5 is out of range", {"axis": 1}),
    ErrorSample("gather_nd", (_X, np.array([[0, 0], [1, 7]])), IndexError, "index 7 is out of range for axis 1"),
    ErrorSample("gather_nd", (_X, np.zeros((2, 3), "int32")), ValueError, "last dimension k of 1 to the rank"),
    ErrorSample("scatter_add", (_X, _POINT + 2, np.zeros((1, 5), "float32")), IndexError, "index 3 is out of range"),
    ErrorSample("scatter_add", (_X, _POINT, np.zeros((1, 5))), TypeError, "cast with addax.ops.cast"),
    ErrorSample("scatter", (_X, _POINT, np.zeros((1, 4), "float32")), ValueError, r"updates have shape \(1, 4\)"),
    ErrorSample("scatter", (_X, _POINT - 5, np.zeros((1, 5), "float32")), IndexError, "index -4 is out of range"),
    ErrorSample(
        "scatter_add_along_axis",
        (_X, np.zeros((3, 2), "int32"), np.zeros((3, 1), "float32")),
        ValueError,
        "indices and updates must have one shape",
        {"axis": 1},
    ),
    ErrorSample("one_hot", (_POINT,), ValueError, "depth must be >= 0", {"depth": -1}),
    ErrorSample("one_hot", (_X,), TypeError, "indices must be integers", {"depth": 3}),
]

"""Samples of the sort family. The order is exact in every dtype; rounding makes ties, which stay in order."""

import numpy as np

from tests.samples import FLOATS, INTS, ErrorSample, Sample, given, inputs, integers, normal, uniform

ALL = (*FLOATS, *INTS, "bool")
# Infinities, zeros of both signs and NaN, which counts as the largest.
SPECIAL = given([[1, np.nan, -np.inf, 0.0, -0.0, np.inf, np.nan, -1, 1, 0]])


def argsort(x, axis, descending=False):
    """Stable; the reverse of the stable order of the reversed array is the stable descending order."""
    if not descending:
        return np.argsort(x, axis, kind="stable").astype("int32")
    order = np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)
    return (x.shape[axis] - 1 - order).astype("int32")


def _sort(x, axis, descending=False):
    return np.take_along_axis(x, argsort(x, axis, descending), axis)


def _top_k(x, k):
    order = argsort(x, -1, True)[..., :k]
    return np.take_along_axis(x, order, -1), order


def _rows(op, reference):
    def row(label, make, dtypes=ALL, big=None, gradient=None, **attrs):
        return Sample(op, inputs(make), reference, attrs, label, dtypes, big, gradient, exact=True)

    return [
        row("last", uniform(0, 100, 3, 7), axis=-1, big=inputs(normal(40, 1000))),
        row("first", uniform(0, 100, 7, 3), axis=0, descending=True, big=inputs(normal(1000, 40))),
        row("middle", uniform(0, 100, 2, 5, 3), axis=1),
        row("negative", normal(50), FLOATS, axis=0),
        row("medium", uniform(0, 100, 2, 100), axis=1, descending=True),
        row("long", uniform(0, 100, 2, 500), axis=1),
        row("ties", lambda rng: rng.integers(0, 4, (3, 200)).astype("float64"), axis=1, descending=True, gradient=()),
        row("special", SPECIAL, FLOATS, axis=1, gradient=()),
        row("special-descending", SPECIAL, FLOATS, axis=1, descending=True, gradient=()),
        row("wide", integers(-(2**62), 2**62, 300, dtype="int64"), ("float64",), axis=0),
        row("wide-unsigned", integers(0, 2**63, 300, dtype="uint64"), ("float64",), axis=0, descending=True),
        row("one", uniform(0, 1, 1), axis=0),
        row("empty", uniform(0, 1, 0, 3), axis=0),
    ]


def _top(label, make, k, dtypes=ALL, big=None, gradient=None):
    return Sample("top_k", inputs(make), _top_k, {"k": k}, label, dtypes, big, gradient, exact=True)


SAMPLES: list[Sample] = [
    *_rows("sort", _sort),
    *_rows("argsort", argsort),
    _top("few", uniform(0, 100, 3, 80), 3, big=inputs(normal(400, 300))),
    _top("many", uniform(0, 100, 2, 9), 7),
    _top("all", uniform(0, 100, 200), 200),
    _top("none", uniform(0, 100, 2, 4), 0),
    _top("ties", lambda rng: rng.integers(0, 3, (2, 300)).astype("float64"), 11, gradient=()),
    _top("special", SPECIAL, 6, FLOATS, gradient=()),
]

_X = np.zeros((2, 3), "float32")
ERRORS: list[ErrorSample] = [
    ErrorSample("sort", (_X,), IndexError, "axis 2 is out of range", {"axis": 2}),
    ErrorSample("argsort", (_X[0, 0],), IndexError, "axis -1 is out of range for an input of rank 0", {"axis": -1}),
    ErrorSample("top_k", (_X,), ValueError, "k must be 0 to the size of the last axis", {"k": 4}),
]

"""Samples of loops. A body says its dtypes, so these rows are of float64."""

import numpy as np

from addax import engine
from tests.samples import ErrorSample, Sample, inputs, normal

FLOAT64 = ("float64",)


def cell(batch: int, units: int) -> engine.Graph:
    """tanh(x + h w), which is also the output."""
    state, square = f"float64({batch}, {units})", f"float64({units}, {units})"
    return engine.Graph.parse(
        f"graph(%0: {state}, %1: {state}, %2: {square}) {{\n"
        f"  %3: {state} = matmul(%1, %2, transpose_a=false, transpose_b=false)\n"
        f"  %4: {state} = add(%0, %3)\n  %5: {state} = tanh(%4)\n  return %5, %5\n}}"
    )


def of(body: engine.Graph, length: int, sequences: int, carries: int, reverse: bool = False) -> dict:
    return {"body": body, "length": length, "sequences": sequences, "carries": carries, "reverse": reverse}


def _recurrence(x, h, w, reverse=False, **_):
    y = np.empty_like(x)
    for t in range(len(x))[::-1] if reverse else range(len(x)):
        y[t] = h = np.tanh(x[t] + h @ w)
    return y, h


def _big(rng):
    return rng.standard_normal((4, 300, 60)), rng.standard_normal((300, 60)), rng.standard_normal((60, 60)) * 0.1


CELL = cell(2, 3)
# No step depends on another, and one reads its input only where it is not needed.
APART = engine.Graph.parse(
    "graph(%0: float64(3,), %1: float64(3,)) {\n  %2: float64(3,) = square(%0)\n"
    "  %3: float64(3,) = multiply(%2, %1)\n  return %3\n}"
)

SAMPLES = [
    Sample(
        "scan",
        inputs(normal(5, 2, 3), normal(2, 3), normal(3, 3)),
        _recurrence,
        of(CELL, 5, 1, 1),
        label="recurrence",
        dtypes=FLOAT64,
    ),
    Sample(
        "scan",
        inputs(normal(4, 2, 3), normal(2, 3), normal(3, 3)),
        _recurrence,
        of(CELL, 4, 1, 1, reverse=True),
        label="reverse",
        dtypes=FLOAT64,
    ),
    Sample(
        "scan",
        inputs(normal(4, 3), normal(3)),
        lambda x, k, **_: x**2 * k,
        of(APART, 4, 1, 0),
        label="no-carry",
        dtypes=FLOAT64,
    ),
    Sample("scan", _big, _recurrence, of(cell(300, 60), 4, 1, 1), label="large", dtypes=FLOAT64, big=_big, gradient=()),
]

ERRORS = [
    ErrorSample("scan", (np.ones(3),), ValueError, "scan: expected a body"),
    ErrorSample("scan", (np.ones(3),), ValueError, "the body takes 2 inputs, got 1", of(APART, 4, 1, 0)),
    ErrorSample("scan", (np.ones((4, 3)), np.ones(3)), ValueError, "a length of at least 1, got 0", of(APART, 0, 1, 0)),
    ErrorSample(
        "scan", (np.ones((4, 3)), np.ones(3)), ValueError, "2 sequences and 1 carries do not fit", of(APART, 4, 2, 1)
    ),
    ErrorSample(
        "scan",
        (np.ones((5, 3)), np.ones(3)),
        ValueError,
        r"input 0 must be float64\(4, 3\) for the body, got float64\(5, 3\)",
        of(APART, 4, 1, 0),
    ),
    ErrorSample("scan", (np.ones(3),), TypeError, "attribute body must be a Graph, got 3", {"body": 3}),
]

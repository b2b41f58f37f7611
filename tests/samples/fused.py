"""Samples of fused programs: chains, several results, broadcasting, conversions, choices. A program
says its dtypes, so these rows are of float64; tests/graph has the others."""

import numpy as np

from tests.samples import ErrorSample, Sample, inputs, normal, uniform

FLOAT64 = ("float64",)


def of(dtypes: str, program: str, *results: int) -> dict:
    return {"program": program, "dtypes": dtypes, "results": results}


def _bias_relu(x, b, **_):
    return np.maximum(x + b, 0)


SAMPLES = [
    Sample(
        "fused",
        inputs(normal(5, 7), normal(7)),
        _bias_relu,
        of("float64 float64", "add 0 1;relu 2", 3),
        label="bias-relu",
        dtypes=FLOAT64,
        big=inputs(normal(300, 401), normal(401)),
    ),
    Sample(
        "fused",
        inputs(normal(4, 6), normal(4, 6), normal(1, 1)),
        lambda a, b, c, **_: ((a - b) ** 2, (a - b) ** 2 * c + a),
        of("float64 float64 float64", "subtract 0 1;square 3;multiply 4 2;add 5 0", 4, 6),
        label="two-results",
        dtypes=FLOAT64,
        big=inputs(normal(400, 600), normal(400, 600), normal(1, 1)),
    ),
    Sample(
        "fused",
        inputs(normal(3, 1, 5), normal(4, 1)),
        lambda a, b, **_: np.where(a > b, np.exp(a * b), b),
        of("float64 float64", "multiply 0 1;exp 2;greater 0 1;where 4 3 1", 5),
        label="broadcast-choice",
        dtypes=FLOAT64,
        big=inputs(normal(30, 1, 500), normal(40, 1)),
    ),
    Sample(
        "fused",
        inputs(uniform(-90, 90, 600)),
        lambda a, **_: np.trunc(a) * 2,
        of("float64", "cast.int32 0;add 1 1;cast.float64 2", 3),
        label="conversions",
        dtypes=FLOAT64,
        gradient=(),
    ),
]

ERRORS = [
    ErrorSample("fused", (np.ones(3),), ValueError, "expected a program of 1 to", of("float64", "", 1)),
    ErrorSample("fused", (np.ones(3),), ValueError, "expected 2 inputs, got 1", of("float64 float64", "add 0 1", 2)),
    ErrorSample(
        "fused", (np.ones(3),), TypeError, "expected float32 as input 0, got float64", of("float32", "exp 0", 1)
    ),
    ErrorSample("fused", (np.ones(3),), ValueError, "'matmul' is no elementwise op", of("float64", "matmul 0 0", 1)),
    ErrorSample("fused", (np.ones(3),), ValueError, "reads operand 7 of 1", of("float64", "exp 7", 1)),
    ErrorSample("fused", (np.ones(3),), ValueError, "there is no result 0", of("float64", "exp 0", 0)),
    ErrorSample("fused", (np.ones(3),), ValueError, "the program returns nothing", of("float64", "exp 0")),
]

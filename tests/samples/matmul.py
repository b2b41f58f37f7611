"""Samples of the matmul family. A program behind a product says its dtypes, so those rows are of float64; tests/graph
has the others."""

import numpy as np

from tests.samples import INTS, ErrorSample, Sample, inputs, integers, normal
from tests.samples.fused import FLOAT64, of


def _matmul(a, b, transpose_a=False, transpose_b=False):
    return np.matmul(np.swapaxes(a, -1, -2) if transpose_a else a, np.swapaxes(b, -1, -2) if transpose_b else b)


# A sum of k products of both signs is as exact as the sum of their sizes, here some 10 times the result.
TOLERANCE = {"float32": 2e-5, "float64": 1e-11}


def _row(label, a, b, ta=False, tb=False, big=None, **kwargs):
    return Sample(
        "matmul", inputs(normal(*a), normal(*b)), _matmul, {"transpose_a": ta, "transpose_b": tb}, label,
        tolerance=TOLERANCE, big=big and inputs(normal(*big[0]), normal(*big[1])), **kwargs,
    )  # fmt: skip


def _bias_relu(a, b, bias, transpose_a, transpose_b, **_):
    return np.maximum(_matmul(a, b, transpose_a, transpose_b) + bias, 0)


def _two(a, b, y, c, **_):
    scaled = np.matmul(a, b) * c
    return scaled, np.where(y > 0, scaled, y)


def _fused(label, reference, shapes, program, big=None, **flags):
    return Sample(
        "matmul_fused", inputs(*(normal(*s) for s in shapes)), reference,
        {"transpose_a": False, "transpose_b": False} | flags | program, label, FLOAT64,
        tolerance=TOLERANCE, big=big and inputs(*(normal(*s) for s in big)),
    )  # fmt: skip


_BIAS_RELU = of("float64 float64", "add 0 1;relu 2", 3)
_TWO_RESULTS = of("float64 float64 float64", "multiply 0 2;subtract 1 1;greater 1 4;where 5 3 1", 3, 6)

SAMPLES: list[Sample] = [
    _fused("bias-relu", _bias_relu, [(3, 4), (4, 5), (5,)], _BIAS_RELU, [(300, 400), (400, 500), (500,)]),
    _fused("bias-relu, batch, transposed", _bias_relu, [(2, 4, 3), (5, 4), (5,)], _BIAS_RELU,
           [(20, 50, 30), (60, 50), (60,)], transpose_a=True, transpose_b=True),
    _fused("bias-relu, deep", _bias_relu, [(3, 4), (4, 5), (1, 5)], _BIAS_RELU, [(40, 30_000), (30_000, 50), (1, 50)]),
    _fused("two results", _two, [(3, 4), (4, 5), (3, 5), (3, 1)], _TWO_RESULTS,
           [(300, 90), (90, 400), (300, 400), (300, 1)]),
    _fused("bias-relu, nothing to sum", _bias_relu, [(3, 0), (0, 5), (5,)], _BIAS_RELU),
    _row("plain", (3, 4), (4, 5), big=((300, 400), (400, 500))),
    _row("a transposed", (4, 3), (4, 5), ta=True, big=((400, 300), (400, 100))),
    _row("b transposed", (3, 4), (5, 4), tb=True, big=((100, 400), (700, 400))),
    _row("both transposed", (4, 3), (5, 4), ta=True, tb=True, big=((1000, 70), (60, 1000))),
    _row("one", (1, 1), (1, 1)),
    _row("matrix by vector", (7, 40), (40, 1), big=((3000, 200), (200, 1))),
    _row("vector by matrix", (1, 40), (40, 70), big=((1, 700), (700, 1500))),
    _row("vector by matrix, transposed", (1, 40), (70, 40), tb=True, big=((1, 700), (1500, 700))),
    _row("outer", (9, 1), (1, 21)),
    # Columns that fill whole vectors: a right matrix that few rows read where it lies, and that more rows do.
    _row("whole vectors", (5, 16), (16, 32), big=((32, 700), (700, 1024))),
    _row("whole vectors, many rows", (25, 16), (16, 32), big=((300, 700), (700, 256))),
    # So large that fewer tasks are made where there are few threads.
    _row("more work than threads", (30, 30), (30, 30), big=((1500, 600), (600, 1100))),
    # Wider than a vector and not a multiple of one; higher than a tile.
    _row("tails", (25, 19), (19, 45)),
    _row("few rows", (3, 30), (30, 90), big=((3, 700), (700, 1500))),
    _row("few columns", (30, 20), (20, 3), big=((5000, 90), (90, 3))),
    # Deeper than a block, so that partial sums are added up.
    _row("deep", (5, 700), (700, 6), big=((40, 30_000), (30_000, 50))),
    _row("batch", (2, 3, 4), (2, 4, 5), big=((40, 30, 50), (40, 50, 20))),
    _row("batch of a folds into rows", (2, 3, 4), (4, 5), big=((20, 30, 50), (50, 60))),
    _row("batch of b", (3, 4), (2, 4, 5), big=((30, 50), (40, 50, 20))),
    _row("batches broadcast", (2, 1, 3, 4), (3, 4, 5), tb=False),
    _row("batches broadcast, transposed", (3, 1, 4, 2), (1, 2, 5, 4), ta=True, tb=True),
    _row("nothing to sum", (3, 0), (0, 5)),
    _row("no rows", (0, 4), (4, 5)),
    _row("no batch", (0, 3, 4), (4, 5)),
    *(
        Sample("matmul", inputs(integers(0, 100, 5, 30, dtype=d), integers(0, 100, 30, 4, dtype=d)), _matmul,
               label=f"{d} wraps", dtypes=(d,),
               big=inputs(integers(0, 100, 200, 90, dtype=d), integers(0, 100, 90, 600, dtype=d)))
        for d in INTS
    ),
    Sample("matmul", inputs(integers(0, 2, 5, 3, dtype="bool"), integers(0, 2, 3, 4, dtype="bool")), _matmul,
           label="bool", dtypes=("bool",)),
]  # fmt: skip

_f = np.zeros
ERRORS: list[ErrorSample] = [
    ErrorSample("matmul", (_f((2, 3)), _f((4, 5))), ValueError,
                r"last dim of a \(2, 3\) must equal second-to-last dim of b \(4, 5\)"),
    ErrorSample("matmul", (_f((2, 3)), _f((4, 5))), ValueError,
                r"second-to-last dim of a \(2, 3\) must equal last dim of b \(4, 5\)",
                {"transpose_a": True, "transpose_b": True}),
    ErrorSample("matmul", (_f(3), _f((3, 5))), ValueError, "rank 2 or more"),
    ErrorSample("matmul", (_f((2, 4, 3)), _f((3, 3, 5))), ValueError, "batch dims"),
    ErrorSample("matmul", (_f((2, 3)), _f((3, 5), "float32")), TypeError, "cast with addax.ops.cast"),
    ErrorSample("matmul_fused", (_f((2, 3)), _f((3, 5))), ValueError, "expected 2 inputs, got 1", _BIAS_RELU),
    ErrorSample("matmul_fused", (_f((2, 3)), _f((3, 5)), _f((4, 2, 5))), ValueError,
                r"stretches the product \(2, 5\) to \(4, 2, 5\)", _BIAS_RELU),
    ErrorSample("matmul_fused", (_f((2, 3)), _f((3, 5))), ValueError, "no result of the program can be written over",
                of("float64", "cast.float32 0", 1)),
    ErrorSample("matmul_fused", (_f((2, 3)), _f((3, 5))), ValueError, "no result of the program can be written over",
                of("float64", "exp 0;greater 0 1", 1, 2)),
]  # fmt: skip

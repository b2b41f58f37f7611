"""Outputs of 24 MiB and more, which are written past the caches, have the bits of small ones; so have arrays that are
read across their order in memory."""

import numpy as np
import pytest

import addax
from addax import engine, ops

ROWS, WIDTH = 6600, 1009  # rows that begin anywhere in a cache line
X = np.random.default_rng(0).standard_normal((ROWS, WIDTH), dtype="float32")
ROW = X[0]
LABELS = np.arange(ROWS, dtype="int32") % WIDTH
SHARES = np.abs(X)
LAST_SWAPPED = {2: (1, 0), 3: (0, 2, 1), 4: (0, 1, 3, 2)}


def _apply(op, *tensors, **attrs):
    return engine.apply(op, *(engine.tensor(t) if isinstance(t, np.ndarray) else t for t in tensors), **attrs)


def _norm_grad(x):
    ones = np.ones(len(x), "float32")
    return _apply("layer_norm_grad", x, ROW, 0.1 * ones, ones, x, axes=(-1,))[0]


@addax.compile
def _program(x):
    y = ops.tanh(x) * 2.0
    return ops.cast(y, "float16"), y - x * x


@addax.compile
def _program_of_one(x):
    return ops.tanh(x) * 2.0 - x * x


def _first(result):
    return result[0] if isinstance(result, tuple | list) else result


# Functions of some rows of X and of what stands beside them.
CASES = {
    "unary": lambda x, labels, t: _apply("exp", x),
    "row": lambda x, labels, t: _apply("multiply", x, ROW),
    "integers": lambda x, labels, t: _apply("cast", x, dtype="int64"),
    "program": lambda x, labels, t: _program_of_one(engine.tensor(x)),
    "program of two": lambda x, labels, t: _program(engine.tensor(x))[1],
    "softmax": lambda x, labels, t: _apply("softmax", x),
    "softmax gradient": lambda x, labels, t: _apply("softmax_grad", x, t),
    "layer norm": lambda x, labels, t: _first(_apply("layer_norm", x, ROW, ROW, axes=(-1,), epsilon=1e-3)),
    "layer norm gradient": lambda x, labels, t: _norm_grad(x),
    "rms norm": lambda x, labels, t: _first(_apply("rms_norm", x, ROW, axes=(-1,), epsilon=1e-3)),
    "batch norm": lambda x, labels, t: _apply("batch_norm_inference", x, ROW, ROW**2, ROW, ROW, axis=-1, epsilon=1e-3),
    "loss gradient": lambda x, labels, t: _apply("softmax_cross_entropy_grad", x, t, x[:, 0].copy()),
    "loss of labels": lambda x, labels, t: _apply("sparse_softmax_cross_entropy_grad", x, labels, x[:, 0].copy()),
}


@pytest.mark.parametrize("case", CASES)
def test_large_as_small(case):
    f = CASES[case]
    whole = f(X, LABELS, SHARES).numpy()
    for rows in (slice(0, 700), slice(3301, 4001), slice(ROWS - 700, ROWS)):
        np.testing.assert_array_equal(whole[rows], f(X[rows], LABELS[rows], SHARES[rows]).numpy())


def test_program_of_two_dtypes():
    half, whole = _program(engine.tensor(X))
    small = _program(engine.tensor(X[-100:]))
    np.testing.assert_array_equal(half.numpy()[-100:], small[0].numpy())
    np.testing.assert_array_equal(whole.numpy()[-100:], small[1].numpy())


def test_softmax_of_columns():
    x = X.reshape(200, 33, WIDTH)
    whole = _apply("softmax", x, axis=1).numpy()
    np.testing.assert_array_equal(whole[100:], _apply("softmax", x[100:], axis=1).numpy())


def test_dropout():
    key = np.array([1, 2], "uint32")
    whole, small = (_apply("dropout", x, key, rate=0.4).numpy() for x in (X, X[:100]))
    np.testing.assert_array_equal(whole[:100], small)


def test_runs():
    x = engine.tensor(np.concatenate([X, X], 1))
    rows = engine.apply("reshape", x[:, 3 : 3 + WIDTH], shape=(-1,))
    np.testing.assert_array_equal(rows.numpy(), np.concatenate([X[:, 3:], X[:, :3]], 1).ravel())


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float64"])
@pytest.mark.parametrize("shape", [(15, 16), (64, 64), (67, 200), (200, 67), (257, 33), (3, 41, 70), (2, 33, 5, 65)])
def test_transposed_copy(dtype, shape):
    x = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    n = len(shape)
    for axes in (LAST_SWAPPED[n], (*range(n),)[::-1], (n - 1, *range(n - 1)), (*range(1, n), 0)):
        moved = engine.apply("transpose", engine.tensor(x), axes=axes)
        copy = engine.apply("reshape", moved, shape=(-1,)).numpy()
        np.testing.assert_array_equal(copy, x.transpose(axes).ravel())


@pytest.mark.parametrize("shape", [(4096, 1700), (1601, 4096), (2, 65, 49, 1100)])
def test_large_transposed_copy(shape):
    x = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    axes = LAST_SWAPPED[len(shape)]
    copy = engine.apply("reshape", engine.apply("transpose", engine.tensor(x), axes=axes), shape=(-1,)).numpy()
    np.testing.assert_array_equal(copy, x.transpose(axes).ravel())


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "float64"])
@pytest.mark.parametrize(
    "shape", [(40, 64), (64, 40), (300, 259), (2100, 70), (5, 80, 33), (3, 70, 7, 90), (4001, 1601)]
)
def test_across_memory_order(dtype, shape):
    x = (np.arange(np.prod(shape)) % 100).reshape(shape).astype(dtype)
    axes = LAST_SWAPPED[len(shape)]
    moved = engine.apply("transpose", engine.tensor(x), axes=axes)
    y = np.ascontiguousarray(x.transpose(axes))
    np.testing.assert_array_equal(_apply("subtract", moved, y).numpy(), np.zeros_like(y))
    np.testing.assert_array_equal(_apply("add", y[..., :1].copy(), moved).numpy(), y + y[..., :1])
    np.testing.assert_array_equal(_apply("multiply", moved, moved).numpy(), _apply("multiply", y, y).numpy())

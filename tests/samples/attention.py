"""Samples of the attention family."""

import numpy as np

from tests.samples import ErrorSample, Sample, given, inputs, normal, uniform
from tests.samples.random import dropped

MASKED = -1.375 * 2.0**127


def _heads_first(x, heads):
    return np.repeat(np.swapaxes(x, 1, 2), heads // x.shape[2], axis=1)


def _scores(q, k, rest, scale, causal, bias, mask, dropout=0.0):
    scores = scale * _heads_first(q, q.shape[2]) @ np.swapaxes(_heads_first(k, q.shape[2]), 2, 3)
    if bias:
        scores = scores + rest[0]
    seen = np.broadcast_to(rest[bias] if mask else True, scores.shape)
    if causal:
        seen = seen & np.tri(q.shape[1], k.shape[1], dtype=bool)
    random_key = rest[bias + mask] if dropout else None
    return np.where(seen, scores, MASKED), seen, lambda x: dropped(x, random_key, dropout) if dropout else x


def _attention(q, k, v, *rest, scale=1.0, causal=False, bias=False, mask=False, dropout=0.0):
    scores, _, drop = _scores(q, k, rest, scale, causal, bias, mask, dropout)
    largest = scores.max(axis=-1)
    e = np.exp(scores - largest[..., None])
    total = e.sum(axis=-1)
    y = drop(e / total[..., None]) @ _heads_first(v, q.shape[2])
    return np.swapaxes(y, 1, 2), largest, total


def _attention_grad(q, k, v, *rest, scale=1.0, causal=False, bias=False, mask=False, dropout=0.0):
    y, largest, total, g = rest[-4:]
    scores, seen, drop = _scores(q, k, rest, scale, causal, bias, mask, dropout)
    heads, shared = q.shape[2], q.shape[2] // k.shape[2]
    y, g = np.swapaxes(y, 1, 2), np.swapaxes(g, 1, 2)
    p = np.exp(scores - largest[..., None]) / total[..., None]
    slope = drop(g @ np.swapaxes(_heads_first(v, heads), 2, 3)) - (y * g).sum(axis=-1, keepdims=True)
    ds = np.where(seen, p * slope, 0)

    def of_keys(x):
        grouped = x.reshape(x.shape[0], x.shape[1] // shared, shared, *x.shape[2:])
        return np.swapaxes(grouped.sum(axis=2), 1, 2)

    dq = np.swapaxes(scale * ds @ _heads_first(k, heads), 1, 2)
    dk = of_keys(scale * np.swapaxes(ds, 2, 3) @ np.swapaxes(q, 1, 2))
    return dq, dk, of_keys(np.swapaxes(drop(p), 2, 3) @ g)


def _bools(*shape):
    # Never a row without a key, whose scores' largest is no smooth function; those have a sample of their own.
    def make(rng):
        mask = rng.random(shape) < 0.6
        mask[..., 0] = True
        return mask

    return make


# Sums of products of numbers near one, rounded to the dtype once; the gradients' three factors are larger.
FORWARD = {"float64": 1e-11, "float32": 1e-5, "float16": 8e-3, "bfloat16": 6e-2}
BACKWARD = {"float64": 1e-10, "float32": 5e-5, "float16": 4e-2, "bfloat16": 3e-1}

SAMPLES: list[Sample] = []


def _add(label, q, k, v=None, extra=(), big=None, gradient=None, **attrs):
    v = v or k
    b, t, h, _ = q
    y, rows = (b, t, h, v[3]), (b, h, t)
    SAMPLES.append(
        Sample("attention", inputs(normal(*q), normal(*k), normal(*v), *extra), _attention, attrs, label,
               tolerance=FORWARD, gradient=gradient,
               big=big and inputs(normal(*big), normal(*big), normal(*big)))
    )  # fmt: skip
    # Any y, largest and total will do: the formulas do not ask that they fit the scores. A largest below some score
    # makes weights beyond one, so it is kept above.
    statistics = (normal(*y), uniform(2.0, 3.0, *rows), uniform(1.0, 2.0, *rows), normal(*y))
    big_statistics = big and (normal(*big), uniform(2.0, 3.0, big[0], big[2], big[1]),
                              uniform(1.0, 2.0, big[0], big[2], big[1]), normal(*big))  # fmt: skip
    SAMPLES.append(
        Sample("attention_grad", inputs(normal(*q), normal(*k), normal(*v), *extra, *statistics), _attention_grad,
               attrs, label, tolerance=BACKWARD, gradient=gradient,
               big=big and inputs(normal(*big), normal(*big), normal(*big), *big_statistics))
    )  # fmt: skip


_add("plain", (2, 5, 3, 4), (2, 5, 3, 4), big=(2, 140, 3, 16), scale=0.5)
_add("causal", (1, 7, 2, 3), (1, 7, 2, 3), big=(1, 300, 2, 24), scale=0.4, causal=True)
_add("more keys", (1, 3, 2, 5), (1, 9, 2, 5), scale=0.4, causal=True)
_add("fewer keys", (1, 6, 2, 5), (1, 4, 2, 5), scale=0.4, causal=True)
_add("grouped", (2, 3, 6, 4), (2, 4, 2, 4), (2, 4, 2, 7), scale=0.5)
_add("bias", (2, 3, 2, 4), (2, 5, 2, 4), extra=(normal(2, 1, 5),), scale=0.5, bias=True)
_add("mask", (2, 3, 2, 4), (2, 5, 2, 4), extra=(_bools(2, 1, 1, 5),), scale=0.5, mask=True)
_add("all", (2, 4, 4, 3), (2, 5, 2, 3), extra=(normal(1, 4, 4, 5), _bools(4, 5)), scale=0.5, bias=True, mask=True,
     causal=True)  # fmt: skip
_add("dropout", (2, 5, 4, 3), (2, 6, 2, 3), extra=(given((3, 2**32 - 1), "uint32"),), scale=0.5, dropout=0.3)
_add("dropout and all", (2, 4, 4, 3), (2, 5, 2, 3), extra=(normal(1, 4, 4, 5), _bools(4, 5), given((5, 7), "uint32")),
     scale=0.5, bias=True, mask=True, causal=True, dropout=0.5)  # fmt: skip
_add("dropout of blocks", (1, 150, 1, 3), (1, 300, 1, 3), extra=(given((1, 2), "uint32"),), gradient=(), scale=0.3,
     causal=True, dropout=0.1)  # fmt: skip
_add("blocks", (1, 150, 1, 3), (1, 300, 1, 3), extra=(_bools(150, 300),), gradient=(), scale=0.3, mask=True)
SAMPLES += [
    # Rows whose keys are all hidden weigh all of them alike, also those that causality hides.
    Sample("attention", inputs(normal(1, 3, 1, 2), normal(1, 600, 1, 2), normal(1, 600, 1, 2),
           lambda rng: np.arange(3)[:, None] != 1), _attention, {"mask": True, "causal": True}, "hidden rows",
           dtypes=("float64", "float32", "bfloat16"), tolerance=FORWARD, gradient=()),
    Sample("attention_grad", inputs(normal(1, 3, 1, 2), normal(1, 600, 1, 2), normal(1, 600, 1, 2),
           lambda rng: np.arange(3)[:, None] != 1, normal(1, 3, 1, 2), given([[[3.0, MASKED, 3.0]]]),
           given([[[2.0, 600.0, 2.0]]]), normal(1, 3, 1, 2)), _attention_grad, {"mask": True, "causal": True},
           "hidden rows", dtypes=("float64", "float32"), tolerance=BACKWARD, gradient=()),
    # A bias for all keys alike changes nothing, however large; keys at minus infinity are not there.
    Sample("attention", inputs(normal(1, 3, 1, 2), normal(1, 300, 1, 2), normal(1, 300, 1, 2),
           given([[0.0], [0.0], [-1e9]])), _attention, {"bias": True}, "huge bias", dtypes=("float64",),
           tolerance={"float64": 1e-6}, gradient=()),
    Sample("attention", inputs(normal(1, 2, 1, 2), normal(1, 600, 1, 2), normal(1, 600, 1, 2),
           lambda rng: np.where(np.arange(600) < 400, -np.inf, 0.0)), _attention, {"bias": True}, "infinite bias",
           dtypes=("float64", "float32"), tolerance=FORWARD, gradient=()),
    Sample("attention", inputs(normal(2, 0, 1, 2), normal(2, 3, 1, 2), normal(2, 3, 1, 2)), _attention, {},
           "no queries", gradient=()),
]  # fmt: skip

q = np.zeros((2, 3, 4, 5))
ERRORS: list[ErrorSample] = [
    ErrorSample("attention", (q[0], q, q), ValueError, r"must have shape \(batch, length, heads, dim\)"),
    ErrorSample("attention", (q, q[..., :4], q), ValueError, "the last dim of query"),
    ErrorSample("attention", (q, q, q[:, :2]), ValueError, "all but the last dim of key"),
    ErrorSample("attention", (q, q[:, :, :3], q[:, :, :3]), ValueError, "not a multiple of the 3 of key"),
    ErrorSample("attention", (q, q[:, :0], q[:, :0]), ValueError, "expected at least one key"),
    ErrorSample("attention", (q, q, q), ValueError, "expected 4 inputs", {"mask": True}),
    ErrorSample("attention", (q, q, q, q), TypeError, "mask must be bool", {"mask": True}),
    ErrorSample("attention", (q, q, q), ValueError, "expected 4 inputs with .* dropout=0.5", {"dropout": 0.5}),
    ErrorSample("attention", (q, q, q, np.zeros(2, "int32")), TypeError, "random key must be uint32", {"dropout": 0.5}),
    ErrorSample("attention", (q, q, q, np.zeros(2, "uint32")), ValueError, "less than 1, got 1", {"dropout": 1.0}),
    ErrorSample("attention", (q, q, q, np.zeros((7, 3))), ValueError, "attention: ", {"bias": True}),
    ErrorSample("attention", (q.astype("int32"),) * 3, TypeError, "expected a floating dtype"),
    ErrorSample("attention_grad", (q, q, q, q, np.zeros((2, 4, 2)), np.zeros((2, 4, 3)), q), ValueError,
                r"largest must have shape \(2, 4, 3\)"),
]  # fmt: skip

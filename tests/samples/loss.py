"""Samples of the loss family."""

import numpy as np

from tests.samples import ErrorSample, Sample, given, inputs, integers, normal, uniform


def _log_softmax(x):
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _dense(logits, targets):
    return -(targets * _log_softmax(logits)).sum(axis=-1)


def _dense_grad(logits, targets, g):
    return g[..., None] * (np.exp(_log_softmax(logits)) * targets.sum(axis=-1, keepdims=True) - targets)


def _one_hot(logits, labels):
    return np.eye(logits.shape[-1])[labels]


def _sparse(logits, labels):
    return _dense(logits, _one_hot(logits, labels))


def _sparse_grad(logits, labels, g):
    return _dense_grad(logits, _one_hot(logits, labels), g)


def _masked(logits, labels):
    # Not by products with zeros, which -inf turns into NaN.
    return -np.take_along_axis(_log_softmax(logits), labels[..., None], -1)[..., 0]


# A loss is a difference of logits and their log-sum-exp; a sum of targets of both signs or sizes scales it.
CHAIN = {"float64": 1e-11, "float32": 1e-5, "float16": 8e-3, "bfloat16": 6e-2}
targets = lambda *shape: uniform(0, 0.3, *shape)  # noqa: E731

SAMPLES: list[Sample] = []
for shape, label in (((5, 7), "rows"), ((2, 3, 80), "two outer axes"), ((6,), "one example"), ((0, 3), "nothing")):
    outer, n = shape[:-1], shape[-1]
    big = (300, 700) if label == "rows" else None
    SAMPLES += [
        Sample("softmax_cross_entropy", inputs(normal(*shape), targets(*shape)), _dense, label=label, tolerance=CHAIN,
               big=big and inputs(normal(*big), targets(*big))),
        Sample("softmax_cross_entropy_grad", inputs(normal(*shape), targets(*shape), normal(*outer)), _dense_grad,
               label=label, tolerance=CHAIN, big=big and inputs(normal(*big), targets(*big), normal(300))),
        Sample("sparse_softmax_cross_entropy", inputs(normal(*shape), integers(0, n, *outer)), _sparse, label=label,
               tolerance=CHAIN, big=big and inputs(normal(*big), integers(0, 700, 300))),
        Sample("sparse_softmax_cross_entropy_grad", inputs(normal(*shape), integers(0, n, *outer), normal(*outer)),
               _sparse_grad, label=label, tolerance=CHAIN,
               big=big and inputs(normal(*big), integers(0, 700, 300), normal(300))),
    ]  # fmt: skip
SAMPLES += [
    # exp of either alone overflows or vanishes.
    Sample("sparse_softmax_cross_entropy", inputs(given([[600, 601, 500], [-800, -801, -900]]), given([2, 1], "uint8")),
           _sparse, label="far", dtypes=("float64", "float32")),
    Sample("softmax_cross_entropy", inputs(given([[600, 601, 500], [-800, -801, -900]]), targets(2, 3)), _dense,
           label="far", dtypes=("float64", "float32"), tolerance=CHAIN),
    Sample("sparse_softmax_cross_entropy", inputs(given([[1, -np.inf, 2]]), given([2], "int64")), _masked,
           label="masked", gradient=()),
]  # fmt: skip

ERRORS: list[ErrorSample] = [
    ErrorSample("softmax_cross_entropy", (np.zeros((2, 3)), np.zeros((2, 1))), ValueError,
                r"targets must have the shape of the logits, \(2, 3\), got \(2, 1\)"),
    ErrorSample("softmax_cross_entropy_grad", (np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(3)), ValueError,
                r"g must have shape \(2,\)"),
    ErrorSample("sparse_softmax_cross_entropy", (np.zeros((2, 3)), np.array([0, 3])), IndexError,
                "label 3 of example 1 is none of the 3 classes"),
    ErrorSample("sparse_softmax_cross_entropy", (np.zeros((2, 3)), np.array([-1, 0])), IndexError, "label -1"),
    ErrorSample("sparse_softmax_cross_entropy", (np.zeros((2, 3)), np.zeros(2)), TypeError, "labels must be integers"),
    ErrorSample("sparse_softmax_cross_entropy", (np.zeros((2, 0)), np.zeros(2, "int32")), ValueError, "no classes"),
    ErrorSample("sparse_softmax_cross_entropy_grad", (np.zeros((2, 3)), np.array([0, 5]), np.zeros(2)), IndexError,
                "label 5"),
]  # fmt: skip

"""Samples of the norm family."""

import numpy as np

from tests.samples import ErrorSample, Sample, given, inputs, normal, uniform


def _softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=axis, keepdims=True)


def _log_softmax(x, axis=-1):
    shifted = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _softmax_grad(y, g, axis=-1):
    return y * (g - (y * g).sum(axis=axis, keepdims=True))


def _log_softmax_grad(y, g, axis=-1):
    return g - np.exp(y) * g.sum(axis=axis, keepdims=True)


def _layer_norm(x, gamma, beta, axes, epsilon=1e-3):
    mean = x.mean(axis=axes, keepdims=True)
    rstd = 1 / np.sqrt(x.var(axis=axes, keepdims=True) + epsilon)
    return (x - mean) * rstd * gamma + beta, mean.squeeze(axes), rstd.squeeze(axes)


def _layer_norm_grad(x, gamma, mean, rstd, g, axes):
    mean, rstd = np.expand_dims(mean, axes), np.expand_dims(rstd, axes)
    xhat, scaled = (x - mean) * rstd, g * gamma
    outer = tuple(range(x.ndim - len(axes)))
    dx = rstd * (scaled - scaled.mean(axis=axes, keepdims=True) - xhat * (scaled * xhat).mean(axis=axes, keepdims=True))
    return dx, (g * xhat).sum(axis=outer), g.sum(axis=outer)


def _rms_norm(x, gamma, axes, epsilon=1e-3):
    rrms = 1 / np.sqrt(np.square(x).mean(axis=axes, keepdims=True) + epsilon)
    return x * rrms * gamma, rrms.squeeze(axes)


def _rms_norm_grad(x, gamma, rrms, g, axes):
    rrms = np.expand_dims(rrms, axes)
    xhat, scaled = x * rrms, g * gamma
    dx = rrms * (scaled - xhat * (scaled * xhat).mean(axis=axes, keepdims=True))
    return dx, (g * xhat).sum(axis=tuple(range(x.ndim - len(axes))))


def _others(x, axis):
    return tuple(d for d in range(x.ndim) if d != axis % x.ndim)


def _spread(x, axis, *values):
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    return tuple(v.reshape(shape) for v in values)


def _batch_norm_inference(x, mean, variance, gamma, beta, axis, epsilon=1e-3):
    mean, variance, gamma, beta = _spread(x, axis, mean, variance, gamma, beta)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def _batch_norm(x, gamma, beta, axis, epsilon=1e-3):
    mean, variance = x.mean(axis=_others(x, axis)), x.var(axis=_others(x, axis))
    return _batch_norm_inference(x, mean, variance, gamma, beta, axis, epsilon), mean, variance


def _batch_norm_grad(x, gamma, mean, variance, g, axis, epsilon=1e-3):
    others = _others(x, axis)
    mean, variance, gamma = _spread(x, axis, mean, variance, gamma)
    rstd = 1 / np.sqrt(variance + epsilon)
    xhat = (x - mean) * rstd
    dx = gamma * rstd * (g - g.mean(axis=others, keepdims=True) - xhat * (g * xhat).mean(axis=others, keepdims=True))
    return dx, (g * xhat).sum(axis=others), g.sum(axis=others)


positive = lambda *shape: uniform(0.5, 2.0, *shape)  # noqa: E731
# Results near zero are differences of numbers near one: what counts is the absolute error of some roundings.
CHAIN = {"float64": 1e-11, "float32": 1e-5, "float16": 8e-3, "bfloat16": 6e-2}

SAMPLES: list[Sample] = []
for op, reference, given_inputs in (
    ("softmax", _softmax, 1),
    ("log_softmax", _log_softmax, 1),
    ("softmax_grad", _softmax_grad, 2),
    ("log_softmax_grad", _log_softmax_grad, 2),
):
    # The gradients are given any y: the formulas do not ask that it sums to one.
    def make(*shape, n=given_inputs):
        return inputs(*([normal(*shape)] * n))

    SAMPLES += [
        Sample(op, make(3, 70), reference, {"axis": -1}, "rows", tolerance=CHAIN, big=make(300, 700)),
        Sample(op, make(2, 9, 5), reference, {"axis": 1}, "middle", tolerance=CHAIN, big=make(3, 90, 700)),
        Sample(op, make(9, 4), reference, {"axis": 0}, "columns", tolerance=CHAIN),
        Sample(op, make(2, 5000), reference, {"axis": -1}, "long rows", tolerance=CHAIN, gradient=()),
        Sample(op, make(2, 0), reference, {"axis": -1}, "nothing", gradient=()),
    ]
SAMPLES += [
    # exp of either alone overflows or vanishes; of a masked element stays exactly zero.
    Sample("softmax", inputs(given([[600, 601, 500], [-800, -801, -900]])), _softmax, label="far",
           dtypes=("float64", "float32")),
    Sample("softmax", inputs(given([[1, -np.inf, 2], [0, 0, -np.inf]])), _softmax, label="masked", gradient=()),
    Sample("log_softmax", inputs(given([[600, 601, 500], [-800, -801, -900]])), _log_softmax, label="far",
           dtypes=("float64", "float32")),
]  # fmt: skip

for axes, shape, label in (((-1,), (6, 70), "last"), ((1, 2), (5, 3, 4), "two axes"), ((0, 1), (4, 6), "all axes")):
    inner = shape[min(a % len(shape) for a in axes) :]
    outer = shape[: len(shape) - len(inner)]
    big = (300, 700) if label == "last" else None
    SAMPLES += [
        Sample("layer_norm", inputs(normal(*shape), normal(*inner), normal(*inner)), _layer_norm, {"axes": axes}, label,
               tolerance=CHAIN, big=big and inputs(normal(*big), normal(big[1]), normal(big[1]))),
        Sample("layer_norm_grad",
               inputs(normal(*shape), normal(*inner), normal(*outer), positive(*outer), normal(*shape)),
               _layer_norm_grad, {"axes": axes}, label, tolerance=CHAIN,
               big=big and inputs(normal(*big), normal(big[1]), normal(300), positive(300), normal(*big))),
        Sample("rms_norm", inputs(normal(*shape), normal(*inner)), _rms_norm, {"axes": axes}, label, tolerance=CHAIN,
               big=big and inputs(normal(*big), normal(big[1]))),
        Sample("rms_norm_grad", inputs(normal(*shape), normal(*inner), positive(*outer), normal(*shape)),
               _rms_norm_grad, {"axes": axes}, label, tolerance=CHAIN,
               big=big and inputs(normal(*big), normal(big[1]), positive(300), normal(*big))),
    ]  # fmt: skip
for axis, shape, big, label in (
    (-1, (6, 5, 3), (40, 30, 100), "channels last"),
    (1, (3, 4, 5), (40, 100, 30), "channels first"),
    (0, (4, 7), None, "first axis"),
    (-1, (1200, 2), None, "several periods"),
):
    c = shape[axis]
    many = big and big[axis]
    SAMPLES += [
        Sample("batch_norm", inputs(normal(*shape), normal(c), normal(c)), _batch_norm, {"axis": axis}, label,
               tolerance=CHAIN, big=big and inputs(normal(*big), normal(many), normal(many))),
        # In 16 bits g, which the sums add up, is itself rounded: the reference is given the same.
        Sample("batch_norm_grad", inputs(normal(*shape), normal(c), normal(c), positive(c), normal(*shape)),
               _batch_norm_grad, {"axis": axis}, label, tolerance=CHAIN,
               big=big and inputs(normal(*big), normal(many), normal(many), positive(many), normal(*big))),
        Sample("batch_norm_inference", inputs(normal(*shape), normal(c), positive(c), normal(c), normal(c)),
               _batch_norm_inference, {"axis": axis, "epsilon": 1e-5}, label, tolerance=CHAIN,
               big=big and inputs(normal(*big), normal(many), positive(many), normal(many), normal(many))),
    ]  # fmt: skip
SAMPLES += [
    # The mean is a thousand deviations away: E[x^2] - E[x]^2 would keep no digit of the variance in float32, and the
    # outlier in front of a constant channel would spoil a variance shifted by the first element.
    Sample("layer_norm", inputs(lambda rng: 1000 + rng.standard_normal((3, 64)), normal(64), normal(64)), _layer_norm,
           {"axes": (-1,)}, "far mean", dtypes=("float64", "float32"), tolerance={"float64": 1e-9, "float32": 1e-3}),
    Sample("batch_norm", inputs(lambda rng: 1000 + rng.standard_normal((64, 3)), normal(3), normal(3)), _batch_norm,
           {"axis": -1}, "far mean", dtypes=("float64", "float32"), tolerance={"float64": 1e-9, "float32": 1e-3}),
    Sample("batch_norm", inputs(lambda rng: np.concatenate([[[1000.0]], 0.01 * rng.standard_normal((4000, 1))]),
           given([1]), given([0])), _batch_norm, {"axis": -1}, "outlier", dtypes=("float64", "float32")),
]  # fmt: skip

ERRORS: list[ErrorSample] = [
    *(ErrorSample(op, (np.zeros((2, 3)),) * n, IndexError, "axis 2 is out of range", {"axis": 2})
      for op, n in (("softmax", 1), ("log_softmax", 1), ("softmax_grad", 2), ("log_softmax_grad", 2))),
    ErrorSample("softmax", (np.zeros(3, "int32"),), TypeError, "expected a floating dtype, got int32"),
    ErrorSample("softmax_grad", (np.zeros((2, 3)), np.zeros((3, 2))), ValueError, r"g must have the shape of input 0"),
    ErrorSample("rms_norm", (np.zeros((2, 3)), np.zeros(2)), ValueError,
                r"gamma must have shape \(3,\) for x of shape \(2, 3\), got \(2,\)", {"axes": (-1,)}),
    ErrorSample("rms_norm", (np.zeros((2, 3), "int32"), np.zeros(3)), TypeError, "expected a floating dtype"),
    ErrorSample("rms_norm_grad", (np.zeros((2, 3)), np.zeros(3), np.zeros(3), np.zeros((2, 3))), ValueError,
                r"rrms must have shape \(2,\)", {"axes": (-1,)}),
    ErrorSample("layer_norm", (np.zeros((2, 3)), np.zeros(2), np.zeros(2)), ValueError, "axes must be the last ones",
                {"axes": (0,)}),
    ErrorSample("layer_norm", (np.zeros((2, 3)), np.zeros(2), np.zeros(3)), ValueError,
                r"gamma must have shape \(3,\) for x of shape \(2, 3\), got \(2,\)", {"axes": (-1,)}),
    ErrorSample("layer_norm", (np.zeros((2, 3)), np.zeros(3), np.zeros(3, "float32")), TypeError,
                "beta must be float64 as x is float64, got float32", {"axes": (-1,)}),
    ErrorSample("layer_norm_grad", (np.zeros((2, 3)), np.zeros(3), np.zeros(2), np.zeros(3), np.zeros((2, 3))),
                ValueError, r"rstd must have shape \(2,\)", {"axes": (-1,)}),
    ErrorSample("batch_norm", (np.zeros((2, 3)), np.zeros(2), np.zeros(3)), ValueError, r"gamma must have shape \(3,\)",
                {"axis": -1}),
    ErrorSample("batch_norm_grad", (np.zeros((2, 3)), np.zeros(3), np.zeros(3), np.zeros(3), np.zeros((2, 2))),
                ValueError, "g must have the shape of input 0", {"axis": -1}),
    ErrorSample("batch_norm_inference", (np.zeros((2, 3)), np.zeros(3), np.zeros(2), np.zeros(3), np.zeros(3)),
                ValueError, r"variance must have shape \(3,\)", {"axis": -1}),
]  # fmt: skip

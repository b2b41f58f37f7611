"""norm: softmax and normalisation."""

from __future__ import annotations

from addax.export.graph import Spec
from addax.export.onnx.table import Builder, Value, row


@row
def softmax(b: Builder, x: Value, axis: int) -> Value:
    return b("Softmax", x, axis=axis)


@row
def log_softmax(b: Builder, x: Value, axis: int) -> Value:
    return b("LogSoftmax", x, axis=axis)


@row(wide=True)
def layer_norm(
    b: Builder, x: Value, gamma: Value, beta: Value, axes: tuple, epsilon: float, out: list[Spec | None]
) -> list[Value | None]:
    """The axes are the last ones."""
    first = x.rank - len(axes)
    more = 1 + max(i for i, spec in enumerate(out) if spec is not None)
    given = b.cast(gamma, x.dtype), b.cast(beta, x.dtype)
    if x.dtype == "float64":  # onnxruntime keeps the statistics of LayerNormalization in float32
        return _layer_norm(b, x, *given, list(range(first, x.rank)), epsilon)
    made = b("LayerNormalization", x, *given, outputs=more, axis=first, epsilon=epsilon)
    y, *statistics = made if more > 1 else (made,)
    outer = [b("Squeeze", s, list(range(first, x.rank))) for s in statistics]
    return [y, *outer, *[None] * (3 - more)]


def _layer_norm(b: Builder, x: Value, gamma: Value, beta: Value, axes: list[int], epsilon: float) -> list:
    mean = b("ReduceMean", x, axes, keepdims=1)
    centred = b("Sub", x, mean)
    variance = b("ReduceMean", b("Mul", centred, centred), axes, keepdims=1)
    rstd = b("Reciprocal", b("Sqrt", b("Add", variance, epsilon)))
    y = b("Add", b("Mul", b("Mul", centred, rstd), gamma), beta)
    return [y, b("Squeeze", mean, axes), b("Squeeze", rstd, axes)]


@row(wide=True)
def rms_norm(b: Builder, x: Value, gamma: Value, axes: tuple, epsilon: float) -> list[Value]:
    last = list(range(x.rank - len(axes), x.rank))
    square = b("ReduceMean", b("Mul", x, x), last, keepdims=1)
    scale = b("Reciprocal", b("Sqrt", b("Add", square, epsilon)))
    return [b("Mul", b("Mul", x, scale), b.cast(gamma, x.dtype)), b("Squeeze", scale, last)]


def _spread(b: Builder, x: Value, t: Value, axis: int) -> Value:
    """A value per channel beside x."""
    axis %= x.rank
    t = b.cast(t, x.dtype)
    return t if axis == x.rank - 1 else b.reshaped(t, (-1,) + (1,) * (x.rank - 1 - axis))


@row(wide=True)
def batch_norm(b: Builder, x: Value, gamma: Value, beta: Value, axis: int, epsilon: float) -> list[Value]:
    """With the statistics of the batch."""
    others = [i for i in range(x.rank) if i != axis % x.rank]
    mean = b("ReduceMean", x, others, keepdims=1)
    centred = b("Sub", x, mean)
    variance = b("ReduceMean", b("Mul", centred, centred), others, keepdims=1)
    scale = b("Mul", b("Reciprocal", b("Sqrt", b("Add", variance, epsilon))), _spread(b, x, gamma, axis))
    y = b("Add", b("Mul", centred, scale), _spread(b, x, beta, axis))
    return [y, b("Reshape", mean, [-1]), b("Reshape", variance, [-1])]


@row(wide=True)
def batch_norm_inference(
    b: Builder, x: Value, mean: Value, variance: Value, gamma: Value, beta: Value, axis: int, epsilon: float
) -> Value:
    rstd = b("Reciprocal", b("Sqrt", b("Add", b.cast(variance, x.dtype), epsilon)))
    rstd.shape = variance.shape
    scale = b("Mul", rstd, b.cast(gamma, x.dtype))
    scale.shape = variance.shape
    centred = b("Sub", x, _spread(b, x, mean, axis))
    return b("Add", b("Mul", centred, _spread(b, x, scale, axis)), _spread(b, x, beta, axis))

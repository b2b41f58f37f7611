"""Activation functions of neural networks. Part of the elementwise family; softmax and sparsemax are in norm.py.

The names to use in layers (`activation="relu"`) are in `addax.activations`.
"""

from __future__ import annotations

from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, axis_of, cast, scalar_like, to_float
from addax.ops.operation import op


def _zero(x: Tensor) -> Tensor:
    return scalar_like(0.0, x.dtype)


@op("nn.Relu")
def relu(x) -> Tensor:
    """Rectified linear unit.

    Args:
        x: Input tensor.

    Returns:
        `max(x, 0)`, in the same dtype.

    Example:

    >>> addax.ops.relu([-1.0, 2.0]).tolist()
    [0.0, 2.0]
    """
    x = as_tensor(x)
    return apply("relu", cast(x, "int32") if x.dtype == "bool" else x)


@op("nn.Relu6")
def relu6(x) -> Tensor:
    """Rectified linear unit that ends at 6.

    Args:
        x: Input tensor.

    Returns:
        `min(max(x, 0), 6)`, floating.

    Example:

    >>> addax.ops.relu6([-1.0, 2.0, 9.0]).tolist()
    [0.0, 2.0, 6.0]
    """
    x = to_float(x)
    return apply("clip", x, _zero(x), scalar_like(6.0, x.dtype))


@op("nn.LeakyRelu")
def leaky_relu(x, negative_slope=0.2) -> Tensor:
    """Rectified linear unit with a slope below zero.

    Args:
        x: Input tensor.
        negative_slope: The slope where `x` is negative.

    Returns:
        `x` where it is positive, `negative_slope * x` elsewhere, floating.

    Example:

    >>> addax.ops.leaky_relu([-1.0, 2.0], negative_slope=0.5).tolist()
    [-0.5, 2.0]
    """
    x = to_float(x)
    return apply("where", x > 0, x, x * negative_slope)


@op("nn.Elu")
def elu(x, alpha=1.0) -> Tensor:
    """Exponential linear unit.

    Args:
        x: Input tensor.
        alpha: Minus the limit for very negative `x`.

    Returns:
        `x` where it is positive, `alpha * (exp(x) - 1)` elsewhere, floating.

    Reference:
        Clevert et al., https://arxiv.org/abs/1511.07289

    Example:

    >>> addax.ops.elu([0.0, 2.0]).tolist()
    [0.0, 2.0]
    """
    x = to_float(x)
    # The minimum keeps exp finite where its branch is not taken: infinity times zero would be a NaN gradient.
    return apply("where", x > 0, x, apply("expm1", apply("minimum", x, _zero(x))) * alpha)


@op("nn.Selu")
def selu(x) -> Tensor:
    """Scaled exponential linear unit, which keeps zero mean and unit variance.

    Args:
        x: Input tensor.

    Returns:
        `1.0507 * elu(x, 1.6733)`, floating.

    Reference:
        Klambauer et al., https://arxiv.org/abs/1706.02515

    Example:

    >>> addax.ops.selu([0.0]).tolist()
    [0.0]
    """
    return elu.__wrapped__(x, 1.6732632423543772) * 1.0507009873554805


@op("nn.Celu")
def celu(x, alpha=1.0) -> Tensor:
    """Continuously differentiable exponential linear unit.

    Args:
        x: Input tensor.
        alpha: Minus the limit for very negative `x`.

    Returns:
        `max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)`, floating.

    Reference:
        Barron, https://arxiv.org/abs/1704.07483

    Example:

    >>> addax.ops.celu([0.0, 2.0]).tolist()
    [0.0, 2.0]
    """
    x = to_float(x)
    return apply("where", x > 0, x, apply("expm1", apply("minimum", x, _zero(x)) / alpha) * alpha)


@op("nn.Gelu")
def gelu(x, approximate=True) -> Tensor:
    """Gaussian error linear unit.

    Args:
        x: Input tensor.
        approximate: Whether to use the approximation by tanh in place of the error function.

    Returns:
        `x * P(X <= x)` for a standard normal X, floating.

    Reference:
        Hendrycks and Gimpel, https://arxiv.org/abs/1606.08415

    Example:

    >>> addax.ops.gelu([0.0]).tolist()
    [0.0]
    """
    return apply("gelu_tanh" if approximate else "gelu", to_float(x))


@op("nn.Silu")
def silu(x) -> Tensor:
    """Sigmoid linear unit, also called swish.

    Args:
        x: Input tensor.

    Returns:
        `x * sigmoid(x)`, floating.

    Example:

    >>> addax.ops.silu([0.0]).tolist()
    [0.0]
    """
    return apply("silu", to_float(x))


swish = silu


@op("nn.HardSilu")
def hard_silu(x) -> Tensor:
    """Piecewise linear stand-in for silu.

    Args:
        x: Input tensor.

    Returns:
        `x * hard_sigmoid(x)`, floating.

    Reference:
        Howard et al., https://arxiv.org/abs/1905.02244

    Example:

    >>> addax.ops.hard_silu([-4.0, 0.0, 4.0]).tolist()
    [-0.0, 0.0, 4.0]
    """
    x = to_float(x)
    return x * hard_sigmoid.__wrapped__(x)


hard_swish = hard_silu


@op("nn.Sigmoid")
def sigmoid(x) -> Tensor:
    """The logistic function.

    Args:
        x: Input tensor.

    Returns:
        `1 / (1 + exp(-x))`, floating.

    Example:

    >>> addax.ops.sigmoid([0.0]).tolist()
    [0.5]
    """
    return apply("sigmoid", to_float(x))


@op("nn.HardSigmoid")
def hard_sigmoid(x) -> Tensor:
    """Piecewise linear stand-in for the sigmoid.

    Args:
        x: Input tensor.

    Returns:
        `x / 6 + 1 / 2` between -3 and 3, 0 below, 1 above, floating.

    Example:

    >>> addax.ops.hard_sigmoid([-4.0, 0.0, 4.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    x = to_float(x)
    return apply("clip", x / 6 + 0.5, _zero(x), scalar_like(1.0, x.dtype))


@op("nn.LogSigmoid")
def log_sigmoid(x) -> Tensor:
    """The logarithm of the sigmoid, exact where that is tiny.

    Args:
        x: Input tensor.

    Returns:
        `-log(1 + exp(-x))`, floating.

    Example:

    >>> addax.ops.log_sigmoid([-1000.0]).tolist()
    [-1000.0]
    """
    return -apply("softplus", -to_float(x))


@op("nn.HardTanh")
def hard_tanh(x) -> Tensor:
    """Piecewise linear stand-in for tanh.

    Args:
        x: Input tensor.

    Returns:
        `min(max(x, -1), 1)`, in the same dtype.

    Example:

    >>> addax.ops.hard_tanh([-2.0, 0.5, 2.0]).tolist()
    [-1.0, 0.5, 1.0]
    """
    x = as_tensor(x)
    if x.dtype == "bool":
        x = cast(x, "int32")
    low = scalar_like(0 if x.dtype.startswith("u") else -1, x.dtype)
    return apply("clip", x, low, scalar_like(1, x.dtype))


@op("nn.TanhShrink")
def tanh_shrink(x) -> Tensor:
    """The input less its hyperbolic tangent.

    Args:
        x: Input tensor.

    Returns:
        `x - tanh(x)`, floating.

    Example:

    >>> addax.ops.tanh_shrink([0.0]).tolist()
    [0.0]
    """
    x = to_float(x)
    return x - apply("tanh", x)


@op("nn.SoftShrink")
def soft_shrink(x, threshold=0.5) -> Tensor:
    """Moves the input towards zero, and the middle to it.

    Args:
        x: Input tensor.
        threshold: How far.

    Returns:
        `x - threshold` above `threshold`, `x + threshold` below `-threshold`, 0 between, floating.

    Example:

    >>> addax.ops.soft_shrink([-1.0, 0.25, 2.0]).tolist()
    [-0.5, 0.0, 1.5]
    """
    x = to_float(x)
    return apply("where", x > threshold, x - threshold, apply("where", x < -threshold, x + threshold, _zero(x)))


@op("nn.HardShrink")
def hard_shrink(x, threshold=0.5) -> Tensor:
    """Moves the middle to zero and keeps the rest.

    Args:
        x: Input tensor.
        threshold: Half the width of the middle.

    Returns:
        `x` where `|x| > threshold`, 0 elsewhere, floating.

    Example:

    >>> addax.ops.hard_shrink([-1.0, 0.25, 2.0]).tolist()
    [-1.0, 0.0, 2.0]
    """
    x = to_float(x)
    return apply("where", apply("abs", x) > threshold, x, _zero(x))


@op("nn.Threshold", inputs="x")
def threshold(x, threshold, default_value) -> Tensor:
    """Replaces what does not exceed a threshold.

    Args:
        x: Input tensor.
        threshold: The threshold.
        default_value: What to put in place of smaller values.

    Returns:
        `x` where `x > threshold`, `default_value` elsewhere, floating.

    Example:

    >>> addax.ops.threshold([0.5, 2.0], 1.0, -1.0).tolist()
    [-1.0, 2.0]
    """
    x = to_float(x)
    return apply("where", x > threshold, x, scalar_like(float(default_value), x.dtype))


@op("nn.Softplus")
def softplus(x) -> Tensor:
    """A smooth rectifier.

    Args:
        x: Input tensor.

    Returns:
        `log(1 + exp(x))`, floating.

    Example:

    >>> addax.ops.softplus([1000.0]).tolist()
    [1000.0]
    """
    return apply("softplus", to_float(x))


@op("nn.Softsign")
def softsign(x) -> Tensor:
    """A sigmoid with slow tails.

    Args:
        x: Input tensor.

    Returns:
        `x / (1 + |x|)`, floating.

    Example:

    >>> addax.ops.softsign([1.0, -3.0]).tolist()
    [0.5, -0.75]
    """
    x = to_float(x)
    return x / (apply("abs", x) + 1)


@op("nn.SparsePlus")
def sparse_plus(x) -> Tensor:
    """A rectifier with a parabola around zero.

    Args:
        x: Input tensor.

    Returns:
        0 below -1, `(x + 1)**2 / 4` between -1 and 1, `x` above, floating.

    Example:

    >>> addax.ops.sparse_plus([-2.0, 0.0, 2.0]).tolist()
    [0.0, 0.25, 2.0]
    """
    x = to_float(x)
    return apply("where", x <= -1, _zero(x), apply("where", x < 1, apply("square", x + 1) * 0.25, x))


@op("nn.SparseSigmoid")
def sparse_sigmoid(x) -> Tensor:
    """Piecewise linear between -1 and 1: the derivative of `sparse_plus`.

    Args:
        x: Input tensor.

    Returns:
        `(x + 1) / 2` between -1 and 1, 0 below, 1 above, floating.

    Example:

    >>> addax.ops.sparse_sigmoid([-2.0, 0.0, 2.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    x = to_float(x)
    return apply("clip", (x + 1) * 0.5, _zero(x), scalar_like(1.0, x.dtype))


@op("nn.Squareplus")
def squareplus(x, b=4) -> Tensor:
    """A smooth rectifier without exponentials.

    Args:
        x: Input tensor.
        b: How smooth.

    Returns:
        `(x + sqrt(x**2 + b)) / 2`, floating.

    Reference:
        Barron, https://arxiv.org/abs/2112.11687

    Example:

    >>> addax.ops.squareplus([0.0]).tolist()
    [1.0]
    """
    x = to_float(x)
    return (x + apply("sqrt", apply("square", x) + b)) * 0.5


@op("nn.Glu")
def glu(x, axis=-1) -> Tensor:
    """Gated linear unit: one half of the input times the sigmoid of the other.

    Args:
        x: Input tensor with an even size along `axis`.
        axis: The axis to halve.

    Returns:
        `a * sigmoid(b)` for the halves a and b, floating.

    Raises:
        ValueError: If the size along `axis` is odd.

    Reference:
        Dauphin et al., https://arxiv.org/abs/1612.08083

    Example:

    >>> addax.ops.glu([2.0, 0.0]).tolist()
    [1.0]
    """
    x = to_float(x)
    axis = axis_of(axis, x.ndim, "glu")
    if x.shape[axis] % 2:
        raise ValueError(f"glu: the size along axis {axis} must be even, got shape {x.shape}")
    half = x.shape[axis] // 2
    before = (slice(None),) * axis
    return x[(*before, slice(0, half))] * apply("sigmoid", x[(*before, slice(half, None))])

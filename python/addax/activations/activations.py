"""The activation functions that layers know by name. Most are the op of the same name."""

from __future__ import annotations

from addax import ops
from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, scalar_like


def linear(x) -> Tensor:
    """Returns the input.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.linear(addax.ops.ones((2,))).tolist()
    [1.0, 1.0]
    """
    return x


def relu(x, negative_slope=0.0, max_value=None, threshold=0.0) -> Tensor:
    """Rectified linear unit, with a leak, a ceiling and a threshold if wanted.

    Args:
        x: Input tensor.
        negative_slope: The slope below the threshold.
        max_value: The largest value; `None`: there is none.
        threshold: The value from which on the input passes.

    Returns:
        `x` from the threshold on (at most `max_value`), `negative_slope * (x - threshold)` below it.

    Example:

    >>> addax.activations.relu([-2.0, 1.0, 9.0], negative_slope=0.5, max_value=6.0).tolist()
    [-1.0, 1.0, 6.0]
    """
    if negative_slope == 0.0 and max_value is None and threshold == 0.0:
        return ops.relu(x)
    if isinstance(x, ops.KerasTensor):
        return ReLU(negative_slope, max_value, threshold)(x)
    x = as_tensor(x)
    zero = scalar_like(0, x.dtype)
    positive = apply("where", x > threshold, x, zero) if threshold else apply("relu", x)
    if max_value is not None:
        positive = apply("minimum", positive, scalar_like(max_value, x.dtype))
    if negative_slope:
        positive = positive - apply("relu", -x + threshold) * negative_slope
    return positive


class ReLU(ops.Operation):
    """`relu` with its settings, as an operation of a graph."""

    def __init__(self, negative_slope=0.0, max_value=None, threshold=0.0, name=None):
        super().__init__(name=name)
        self.negative_slope = negative_slope
        self.max_value = max_value
        self.threshold = threshold

    def call(self, x):
        return relu(x, self.negative_slope, self.max_value, self.threshold)


def leaky_relu(x, negative_slope=0.2) -> Tensor:
    """Rectified linear unit with a slope below zero.

    Args:
        x: Input tensor.
        negative_slope: The slope where `x` is negative.

    Example:

    >>> addax.activations.leaky_relu([-1.0, 2.0], negative_slope=0.5).tolist()
    [-0.5, 2.0]
    """
    return ops.leaky_relu(x, negative_slope=negative_slope)


def relu6(x) -> Tensor:
    """Rectified linear unit that ends at 6.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.relu6([-1.0, 9.0]).tolist()
    [0.0, 6.0]
    """
    return ops.relu6(x)


def elu(x, alpha=1.0) -> Tensor:
    """Exponential linear unit.

    Args:
        x: Input tensor.
        alpha: Minus the limit for very negative `x`.

    Example:

    >>> addax.activations.elu([2.0]).tolist()
    [2.0]
    """
    return ops.elu(x, alpha=alpha)


def selu(x) -> Tensor:
    """Scaled exponential linear unit.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.selu([0.0]).tolist()
    [0.0]
    """
    return ops.selu(x)


def celu(x, alpha=1.0) -> Tensor:
    """Continuously differentiable exponential linear unit.

    Args:
        x: Input tensor.
        alpha: Minus the limit for very negative `x`.

    Example:

    >>> addax.activations.celu([2.0]).tolist()
    [2.0]
    """
    return ops.celu(x, alpha=alpha)


def gelu(x, approximate=False) -> Tensor:
    """Gaussian error linear unit.

    Args:
        x: Input tensor.
        approximate: Whether to use the approximation by tanh.

    Example:

    >>> addax.activations.gelu([0.0]).tolist()
    [0.0]
    """
    return ops.gelu(x, approximate=approximate)


def silu(x) -> Tensor:
    """Sigmoid linear unit, also called swish.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.silu([0.0]).tolist()
    [0.0]
    """
    return ops.silu(x)


def hard_silu(x) -> Tensor:
    """Piecewise linear stand-in for silu, also called hard swish.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.hard_silu([4.0]).tolist()
    [4.0]
    """
    return ops.hard_silu(x)


def sigmoid(x) -> Tensor:
    """The logistic function.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.sigmoid([0.0]).tolist()
    [0.5]
    """
    return ops.sigmoid(x)


def hard_sigmoid(x) -> Tensor:
    """Piecewise linear stand-in for the sigmoid.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.hard_sigmoid([0.0]).tolist()
    [0.5]
    """
    return ops.hard_sigmoid(x)


def log_sigmoid(x) -> Tensor:
    """The logarithm of the sigmoid.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.log_sigmoid([-1000.0]).tolist()
    [-1000.0]
    """
    return ops.log_sigmoid(x)


def tanh(x) -> Tensor:
    """The hyperbolic tangent.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.tanh([0.0]).tolist()
    [0.0]
    """
    return ops.tanh(x)


def hard_tanh(x) -> Tensor:
    """Piecewise linear stand-in for tanh.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.hard_tanh([2.0]).tolist()
    [1.0]
    """
    return ops.hard_tanh(x)


def tanh_shrink(x) -> Tensor:
    """The input less its hyperbolic tangent.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.tanh_shrink([0.0]).tolist()
    [0.0]
    """
    return ops.tanh_shrink(x)


def soft_shrink(x, threshold=0.5) -> Tensor:
    """Moves the input towards zero, and the middle to it.

    Args:
        x: Input tensor.
        threshold: How far.

    Example:

    >>> addax.activations.soft_shrink([2.0]).tolist()
    [1.5]
    """
    return ops.soft_shrink(x, threshold=threshold)


def hard_shrink(x, threshold=0.5) -> Tensor:
    """Moves the middle to zero and keeps the rest.

    Args:
        x: Input tensor.
        threshold: Half the width of the middle.

    Example:

    >>> addax.activations.hard_shrink([0.25, 2.0]).tolist()
    [0.0, 2.0]
    """
    return ops.hard_shrink(x, threshold=threshold)


def threshold(x, threshold, default_value) -> Tensor:
    """Replaces what does not exceed a threshold.

    Args:
        x: Input tensor.
        threshold: The threshold.
        default_value: What to put in place of smaller values.

    Example:

    >>> addax.activations.threshold([0.5, 2.0], 1.0, 0.0).tolist()
    [0.0, 2.0]
    """
    return ops.threshold(x, threshold, default_value)


def softplus(x) -> Tensor:
    """A smooth rectifier.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.softplus([1000.0]).tolist()
    [1000.0]
    """
    return ops.softplus(x)


def softsign(x) -> Tensor:
    """A sigmoid with slow tails.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.softsign([1.0]).tolist()
    [0.5]
    """
    return ops.softsign(x)


def squareplus(x, b=4) -> Tensor:
    """A smooth rectifier without exponentials.

    Args:
        x: Input tensor.
        b: How smooth.

    Example:

    >>> addax.activations.squareplus([0.0]).tolist()
    [1.0]
    """
    return ops.squareplus(x, b=b)


def sparse_plus(x) -> Tensor:
    """A rectifier with a parabola around zero.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.sparse_plus([0.0]).tolist()
    [0.25]
    """
    return ops.sparse_plus(x)


def sparse_sigmoid(x) -> Tensor:
    """Piecewise linear between -1 and 1.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.sparse_sigmoid([0.0]).tolist()
    [0.5]
    """
    return ops.sparse_sigmoid(x)


def softmax(x, axis=-1) -> Tensor:
    """Exponentials divided by their sum.

    Args:
        x: Input tensor.
        axis: Axis or axes along which they sum to one.

    Example:

    >>> addax.activations.softmax([0.0, 0.0]).tolist()
    [0.5, 0.5]
    """
    return ops.softmax(x, axis=axis)


def log_softmax(x, axis=-1) -> Tensor:
    """The logarithm of the softmax.

    Args:
        x: Input tensor.
        axis: Axis or axes along which the softmax sums to one.

    Example:

    >>> addax.activations.log_softmax([0.0, -1000.0]).tolist()
    [0.0, -1000.0]
    """
    return ops.log_softmax(x, axis=axis)


def sparsemax(x, axis=-1) -> Tensor:
    """A softmax most of whose elements are zero.

    Args:
        x: Input tensor.
        axis: The axis along which they sum to one.

    Example:

    >>> addax.activations.sparsemax([1.0, 1.0, -5.0]).tolist()
    [0.5, 0.5, 0.0]
    """
    return ops.sparsemax(x, axis=axis)


def glu(x, axis=-1) -> Tensor:
    """Gated linear unit: one half of the input times the sigmoid of the other.

    Args:
        x: Input tensor with an even size along `axis`.
        axis: The axis to halve.

    Example:

    >>> addax.activations.glu([2.0, 0.0]).tolist()
    [1.0]
    """
    return ops.glu(x, axis=axis)


def exponential(x) -> Tensor:
    """The exponential function.

    Args:
        x: Input tensor.

    Example:

    >>> addax.activations.exponential([0.0]).tolist()
    [1.0]
    """
    return ops.exp(x)


def mish(x) -> Tensor:
    """A smooth rectifier that dips below zero: `x * tanh(softplus(x))`.

    Args:
        x: Input tensor.

    Reference:
        Misra, https://arxiv.org/abs/1908.08681

    Example:

    >>> addax.activations.mish([0.0]).tolist()
    [0.0]
    """
    return ops.multiply(x, ops.tanh(ops.softplus(x)))

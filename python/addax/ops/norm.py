"""Softmax and its relatives, normalization (batch, layer, root mean square), and the norms of vectors and matrices."""

from __future__ import annotations

import math
from typing import Any

from addax import config
from addax.engine import Tensor, apply
from addax.ops.convert import (
    as_tensor,
    axes_of,
    axis_of,
    cast,
    dims_of,
    same_dtype,
    scalar_like,
    to_float,
)
from addax.ops.creation import filled
from addax.ops.operation import op
from addax.ops.reduce import reduce


def _over_axes(name: str, x: Tensor, axis: Any) -> Tensor:
    """An op over the last axis, over any axes: they are moved there, joined, and moved back."""
    if x.ndim == 0:
        raise ValueError(f"{name}: expected a tensor of rank 1 or more, got a 0-d tensor")
    if isinstance(axis, int):
        return apply(name, x, axis=axis_of(axis, x.ndim, name))
    axes = axes_of(axis, x.ndim, name)
    rest = tuple([a for a in range(x.ndim) if a not in axes])
    order = (*rest, *axes)
    moved = apply("transpose", x, axes=order)
    flat = apply("reshape", moved, shape=(*moved.shape[: len(rest)], math.prod(moved.shape[len(rest) :])))
    y = apply("reshape", apply(name, flat, axis=len(rest)), shape=moved.shape)
    back = [0] * x.ndim
    for i, a in enumerate(order):
        back[a] = i
    return apply("transpose", y, axes=tuple(back))


@op("nn.Softmax")
def softmax(x, axis=-1) -> Tensor:
    """Exponentials divided by their sum: positive numbers that sum to one.

    Args:
        x: Input tensor.
        axis: Axis or axes along which they sum to one; `None`: all.

    Returns:
        A tensor of the same shape, floating.

    Example:

    >>> addax.ops.softmax([0.0, 0.0]).tolist()
    [0.5, 0.5]
    """
    return _over_axes("softmax", to_float(x), axis)


@op("nn.LogSoftmax")
def log_softmax(x, axis=-1) -> Tensor:
    """The logarithm of the softmax, exact where that is tiny.

    Args:
        x: Input tensor.
        axis: Axis or axes along which the softmax sums to one; `None`: all.

    Returns:
        A tensor of the same shape, floating.

    Example:

    >>> addax.ops.log_softmax([0.0, -1000.0]).tolist()
    [0.0, -1000.0]
    """
    return _over_axes("log_softmax", to_float(x), axis)


@op("nn.Sparsemax")
def sparsemax(x, axis=-1) -> Tensor:
    """The nearest point to the input whose elements are not negative and sum to one; many of them are zero.

    Args:
        x: Input tensor.
        axis: The axis along which they sum to one.

    Returns:
        A tensor of the same shape, floating.

    Reference:
        Martins and Astudillo, https://arxiv.org/abs/1602.02068

    Example:

    >>> addax.ops.sparsemax([1.0, 1.0, -5.0]).tolist()
    [0.5, 0.5, 0.0]
    """
    x = to_float(x)
    axis = axis_of(axis, x.ndim, "sparsemax")
    n = x.shape[axis]
    ordered = apply("sort", x, axis=axis, descending=True)
    shape = tuple([n if i == axis else 1 for i in range(x.ndim)])
    rank = apply("reshape", as_tensor([float(i + 1) for i in range(n)], x.dtype), shape=shape)
    total = apply("cumsum", ordered, axis=axis)
    # The support: the largest elements k for which 1 + k z_k exceeds the sum of the first k.
    inside = cast(ordered * rank + 1 > total, x.dtype)
    size = apply("sum", inside, axes=(axis,), keepdims=True)
    threshold = (apply("sum", ordered * inside, axes=(axis,), keepdims=True) - 1) / size
    return apply("maximum", x - threshold, scalar_like(0.0, x.dtype))


@op("nn.BatchNorm", inputs="x mean variance offset scale")
def batch_normalization(x, mean, variance, axis, offset=None, scale=None, epsilon=1e-3) -> Tensor:
    """Normalizes by given statistics.

    Args:
        x: Input tensor.
        mean: A vector with a mean for each position along `axis`.
        variance: A vector with the variances.
        axis: The axis of the statistics, usually that of the channels.
        offset: A vector to add; `None`: nothing.
        scale: A vector to multiply with; `None`: nothing.
        epsilon: Added to the variance.

    Returns:
        `(x - mean) / sqrt(variance + epsilon) * scale + offset`, in the promoted dtype.

    Example:

    >>> addax.ops.batch_normalization([[3.0]], [1.0], [4.0], axis=-1, epsilon=0.0).tolist()
    [[1.0]]
    """
    given = [t for t in (offset, scale) if t is not None]
    x, mean, variance, *given = same_dtype(*[to_float(t) for t in (x, mean, variance, *given)])
    offset = given.pop(0) if offset is not None else filled(mean.shape, 0, x.dtype)
    scale = given.pop(0) if scale is not None else filled(mean.shape, 1, x.dtype)
    return apply(
        "batch_norm_inference",
        x,
        mean,
        variance,
        scale,
        offset,
        axis=axis_of(axis, x.ndim, "batch_normalization"),
        epsilon=float(epsilon),
    )


@op("nn.LayerNorm", inputs="x gamma beta")
def layer_normalization(x, gamma=None, beta=None, axis=-1, epsilon=None) -> Tensor:
    """Normalizes each example to zero mean and unit variance over axes.

    Args:
        x: Input tensor.
        gamma: Scale, of the shape of those axes; `None`: one.
        beta: Offset, of the shape of those axes; `None`: zero.
        axis: Axis or axes.
        epsilon: Added to the variance; `None`: `epsilon()` of the config.

    Returns:
        A tensor of the same shape and dtype; half precision is computed in float32.

    Reference:
        Ba et al., https://arxiv.org/abs/1607.06450

    Example:

    >>> addax.ops.layer_normalization([[-1.0, 1.0]], epsilon=0.0).tolist()
    [[-1.0, 1.0]]
    """
    x = to_float(x)
    epsilon = config.epsilon() if epsilon is None else epsilon
    axes = tuple(sorted(axes_of(axis, x.ndim, "layer_normalization")))
    shape, statistics = _parameter_spec(x, axes)
    gamma = filled(shape, 1, statistics) if gamma is None else _parameter(gamma, shape, statistics)
    beta = filled(shape, 0, statistics) if beta is None else _parameter(beta, shape, statistics)
    return _normalized("layer_norm", x, axes, epsilon, gamma, beta)


def _parameter_spec(x: Tensor, axes: tuple[int, ...]) -> tuple[tuple[int, ...], str]:
    """Shape and dtype of what belongs to the elements along `axes`."""
    return tuple([x.shape[a] for a in axes]), "float32" if x.dtype in ("float16", "bfloat16") else x.dtype


def _normalized(name: str, x: Tensor, axes: tuple[int, ...], epsilon: float, *parameters: Tensor) -> Tensor:
    """A normalization over the last axes, over any: they are moved there and back."""
    rest = [a for a in range(x.ndim) if a not in axes]
    order = (*rest, *axes)
    trailing = order == tuple(range(x.ndim))
    moved = x if trailing else apply("transpose", x, axes=order)
    y = apply(name, moved, *parameters, axes=tuple(range(len(rest), x.ndim)), epsilon=float(epsilon))[0]
    if trailing:
        return y
    back = [0] * x.ndim
    for i, a in enumerate(order):
        back[a] = i
    return apply("transpose", y, axes=tuple(back))


def _parameter(value: Any, shape: tuple[int, ...], dtype: str) -> Tensor:
    value = as_tensor(value, dtype)
    if value.shape == shape:
        return value
    return apply("broadcast_to", value, shape=dims_of(shape, "layer_normalization"))


@op("nn.RMSNorm", inputs="x scale")
def rms_normalization(x, scale=None, axis=-1, epsilon=None) -> Tensor:
    """Divides each example by its root mean square over axes.

    Args:
        x: Input tensor.
        scale: What to multiply with, broadcast against `x`; `None`: nothing.
        axis: Axis or axes.
        epsilon: Added to the mean square; `None`: `epsilon()` of the config.

    Returns:
        A tensor of the same shape and dtype; half precision is computed in float32.

    Reference:
        Zhang and Sennrich, https://arxiv.org/abs/1910.07467

    Example:

    >>> addax.ops.rms_normalization([[2.0, 2.0]], epsilon=0.0).tolist()
    [[1.0, 1.0]]
    """
    x = to_float(x)
    epsilon = config.epsilon() if epsilon is None else epsilon
    axes = tuple(sorted(axes_of(axis, x.ndim, "rms_normalization")))
    shape, statistics = _parameter_spec(x, axes)
    if scale is None:
        return _normalized("rms_norm", x, axes, epsilon, filled(shape, 1, statistics))
    scale = as_tensor(scale, statistics)
    if len(axes) == scale.ndim < x.ndim:
        return _normalized(
            "rms_norm", x, axes, epsilon, apply("reshape", scale, shape=dims_of(shape, "rms_normalization"))
        )
    y = _normalized("rms_norm", cast(x, statistics), axes, epsilon, filled(shape, 1, statistics))
    return cast(y * scale, x.dtype)


@op("linalg.Norm")
def norm(x, ord=None, axis=None, keepdims=False) -> Tensor:
    """The norm of vectors or matrices.

    Args:
        x: Input tensor.
        ord: `None`: the Euclidean or Frobenius norm. For vectors any number, inf and -inf; for matrices `"fro"`, 1,
            -1, inf and -inf.
        axis: The axis of vectors, or the pair of axes of matrices; `None`: the whole tensor, which with an `ord` must
            be a vector or a matrix.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The norms, floating.

    Raises:
        ValueError: If there is no such norm.

    Example:

    >>> addax.ops.norm([3.0, 4.0]).item()
    5.0
    """
    x = to_float(x)
    axes = axes_of(axis, x.ndim, "norm")
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord == 2 and len(axes) == 1):
        return apply("sqrt", reduce("sum", apply("square", x), axes, keepdims))
    if len(axes) == 1:
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) != 2:
        raise ValueError(f"norm: with ord={ord!r} expected one axis or two. Received: axis={axis}, shape {x.shape}")
    if ord in (1, -1, math.inf, -math.inf):
        along, across = axes if abs(ord) == 1 else axes[::-1]
        sums = apply("sum", apply("abs", x), axes=(along,), keepdims=True)
        result = apply("max" if ord > 0 else "min", sums, axes=(across,), keepdims=True)
        kept = [1 if i in axes else d for i, d in enumerate(x.shape) if keepdims or i not in axes]
        return apply("reshape", result, shape=tuple(kept))
    if ord in ("nuc", 2, -2):
        raise ValueError(f"norm: the matrix norm of ord={ord!r} needs singular values, which addax does not have yet")
    raise ValueError(f"norm: no matrix norm of ord={ord!r}; expected None, 'fro', 1, -1, inf or -inf")


def _vector_norm(x: Tensor, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    if isinstance(ord, str):
        raise ValueError(f"norm: no vector norm of ord={ord!r}; expected a number")
    size = apply("abs", x)
    if ord == math.inf:
        return apply("max", size, axes=axes, keepdims=keepdims)
    if ord == -math.inf:
        return apply("min", size, axes=axes, keepdims=keepdims)
    if ord == 0:
        return apply("sum", cast(x != 0, x.dtype), axes=axes, keepdims=keepdims)
    if ord == 1:
        return apply("sum", size, axes=axes, keepdims=keepdims)
    power = apply("power", size, scalar_like(float(ord), x.dtype))
    return apply("power", apply("sum", power, axes=axes, keepdims=keepdims), scalar_like(1 / ord, x.dtype))


@op("nn.Normalize")
def normalize(x, axis=-1, order=2, epsilon=None) -> Tensor:
    """Divides vectors by their norms.

    Args:
        x: Input tensor.
        axis: The axis (or axes) of the vectors.
        order: Which norm: a positive int.
        epsilon: The least norm to divide by; `None`: `epsilon()` of the config.

    Returns:
        Vectors of norm one, floating.

    Raises:
        ValueError: If the order is not a positive int.

    Example:

    >>> addax.ops.normalize([3.0, 4.0]).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"normalize: expected a positive int as `order`. Received: order={order!r}")
    x = to_float(x)
    epsilon = config.epsilon() if epsilon is None else epsilon
    axes = axes_of(axis, x.ndim, "normalize")
    if order == 2:
        # The square of the floor stays clear of a square root at zero, whose gradient is infinite.
        square = apply("sum", apply("square", x), axes=axes, keepdims=True)
        return x * apply("rsqrt", apply("maximum", square, scalar_like(epsilon**2, x.dtype)))
    length = _vector_norm(x, order, axes, True)
    return x / apply("maximum", length, scalar_like(float(epsilon), x.dtype))

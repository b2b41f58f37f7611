"""Reductions over axes and cumulative ops. Those that skip NaN are in nanreduce.py, quantiles in statistics.py."""

from __future__ import annotations

from typing import Any

from addax.dtypes import result_type, standardize_dtype
from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, axes_of, axis_of, cast, same_float_dtype, scalar_like, to_float
from addax.ops.operation import op


def reduce(name: str, x: Tensor, axis: Any, keepdims: bool, what: str | None = None) -> Tensor:
    """One engine reduction with Keras's `axis`, where `()` reduces over nothing."""
    axes = axes_of(axis, x.ndim, what or name)
    if not axes:  # to the engine no axes mean all: one of size 1 is reduced away
        x, axes, keepdims = apply("reshape", x, shape=(1, *x.shape)), (0,), False
    return apply(name, x, axes=axes, keepdims=keepdims)


def count(x: Tensor, axis: Any, name: str) -> int:
    """How many elements a reduction over the axes takes together."""
    n = 1
    for a in axes_of(axis, x.ndim, name):
        n *= x.shape[a]
    return n


@op("Sum")
def sum(x, axis=None, keepdims=False) -> Tensor:
    """Sums over axes.

    Args:
        x: Input tensor.
        axis: Axis or axes to sum over; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The sums, in the same dtype; bool and narrow integers sum in 32 bits.

    Example:

    >>> addax.ops.sum([[1.0, 2.0], [3.0, 4.0]], axis=0).tolist()
    [4.0, 6.0]
    """
    return reduce("sum", as_tensor(x), axis, keepdims)


@op("Prod")
def prod(x, axis=None, keepdims=False, dtype=None) -> Tensor:
    """Multiplies over axes.

    Args:
        x: Input tensor.
        axis: Axis or axes to multiply over; `None`: all.
        keepdims: Whether the axes stay, with size 1.
        dtype: Dtype of the result.

    Returns:
        The products; without `dtype`, bool and narrow integers multiply in 32 bits.

    Example:

    >>> addax.ops.prod([[1.0, 2.0], [3.0, 4.0]], axis=1).tolist()
    [2.0, 12.0]
    """
    x = as_tensor(x, None if dtype is None else standardize_dtype(dtype))
    result = reduce("prod", x, axis, keepdims)
    return result if dtype is None else cast(result, standardize_dtype(dtype))


@op("Mean")
def mean(x, axis=None, keepdims=False) -> Tensor:
    """The arithmetic mean over axes.

    Args:
        x: Input tensor.
        axis: Axis or axes to average over; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The means, floating.

    Example:

    >>> addax.ops.mean([[1.0, 2.0], [3.0, 4.0]], axis=0).tolist()
    [2.0, 3.0]
    """
    x = to_float(x)
    dtype = x.dtype
    # A half-precision sum would overflow long before the mean does.
    wide = cast(x, "float32") if dtype in ("float16", "bfloat16") else x
    n = count(x, axis, "mean")
    return cast(reduce("sum", wide, axis, keepdims, "mean") / (n if n else float("nan")), dtype)


@op("Var")
def var(x, axis=None, keepdims=False) -> Tensor:
    """The variance over axes: the mean square distance from the mean.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The variances, floating.

    Example:

    >>> addax.ops.var([1.0, 3.0]).item()
    1.0
    """
    x = to_float(x)
    dtype = x.dtype
    wide = cast(x, "float32") if dtype in ("float16", "bfloat16") else x
    centered = wide - mean.__wrapped__(wide, axis, keepdims=True)
    return cast(mean.__wrapped__(apply("square", centered), axis, keepdims), dtype)


@op("Std")
def std(x, axis=None, keepdims=False) -> Tensor:
    """The standard deviation over axes: the square root of the variance.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The deviations, floating.

    Example:

    >>> addax.ops.std([1.0, 3.0]).item()
    1.0
    """
    return apply("sqrt", var.__wrapped__(x, axis, keepdims))


@op("nn.Moments", inputs="x")
def moments(x, axes, keepdims=False, synchronized=False) -> tuple[Tensor, Tensor]:
    """The mean and variance over axes.

    Args:
        x: Input tensor.
        axes: Axis or axes.
        keepdims: Whether the axes stay, with size 1.
        synchronized: Whether to average over the replicas of a distributed run. There is one replica.

    Returns:
        The means and the variances, in the same dtype; half precision is computed in float32.

    Example:

    >>> mean, variance = addax.ops.moments([1.0, 3.0], axes=[0])
    >>> mean.item(), variance.item()
    (2.0, 1.0)
    """
    x = to_float(x)
    return mean.__wrapped__(x, axes, keepdims), var.__wrapped__(x, axes, keepdims)


@op("Average", inputs="x weights")
def average(x, axis=None, weights=None) -> Tensor:
    """The weighted mean over axes.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        weights: A tensor of `x`'s shape, or one weight for each position along the single `axis`. `None`: all equal.

    Returns:
        `sum(x * weights) / sum(weights)`, floating.

    Raises:
        ValueError: If the weights fit neither the tensor nor the axis.

    Example:

    >>> addax.ops.average([1.0, 2.0], weights=[3.0, 1.0]).item()
    1.25
    """
    if weights is None:
        return mean.__wrapped__(x, axis)
    x, weights = same_float_dtype(as_tensor(x), as_tensor(weights))
    if weights.shape != x.shape:
        if not isinstance(axis, int) or weights.ndim != 1 or weights.shape[0] != x.shape[axis]:
            raise ValueError(
                f"average: weights of shape {weights.shape} fit neither x of shape {x.shape} nor axis={axis}; "
                "expected the shape of x, or one weight for each position along one axis"
            )
        shape = [1] * x.ndim
        shape[axis] = weights.shape[0]
        weights = apply("broadcast_to", apply("reshape", weights, shape=tuple(shape)), shape=x.shape)
    return reduce("sum", x * weights, axis, False, "average") / reduce("sum", weights, axis, False, "average")


@op("Max")
def max(x, axis=None, keepdims=False, initial=None) -> Tensor:
    """The largest element over axes.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.
        initial: The least that the result may be; needed where there are no elements.

    Returns:
        The maxima, in the same dtype; NaN if there is one.

    Example:

    >>> addax.ops.max([[1, 5], [3, 2]], axis=1).tolist()
    [5, 3]
    """
    return _extreme("max", "maximum", x, axis, keepdims, initial)


@op("Min")
def min(x, axis=None, keepdims=False, initial=None) -> Tensor:
    """The smallest element over axes.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.
        initial: The most that the result may be; needed where there are no elements.

    Returns:
        The minima, in the same dtype; NaN if there is one.

    Example:

    >>> addax.ops.min([[1, 5], [3, 2]], axis=1).tolist()
    [1, 2]
    """
    return _extreme("min", "minimum", x, axis, keepdims, initial)


def _extreme(name: str, binary: str, x: Any, axis: Any, keepdims: bool, initial: Any) -> Tensor:
    x = as_tensor(x)
    if initial is None:
        return reduce(name, x, axis, keepdims)
    start = scalar_like(initial, x.dtype) if isinstance(initial, (int, float)) else as_tensor(initial)
    if 0 in x.shape and count(x, axis, name) == 0:
        axes = axes_of(axis, x.ndim, name)
        shape = [1 if i in axes else d for i, d in enumerate(x.shape) if keepdims or i not in axes]
        return apply("broadcast_to", cast(start, x.dtype), shape=tuple(shape))
    return apply(binary, reduce(name, x, axis, keepdims), start)


@op("Amax")
def amax(x, axis=None, keepdims=False) -> Tensor:
    """The largest element over axes; the same as `max`.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The maxima, in the same dtype.

    Example:

    >>> addax.ops.amax([[1, 5], [3, 2]]).item()
    5
    """
    return reduce("max", as_tensor(x), axis, keepdims, "amax")


@op("Amin")
def amin(x, axis=None, keepdims=False) -> Tensor:
    """The smallest element over axes; the same as `min`.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The minima, in the same dtype.

    Example:

    >>> addax.ops.amin([[1, 5], [3, 2]]).item()
    1
    """
    return reduce("min", as_tensor(x), axis, keepdims, "amin")


@op("Ptp")
def ptp(x, axis=None, keepdims=False) -> Tensor:
    """The range over axes: the largest element less the smallest.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The ranges, in the same dtype.

    Example:

    >>> addax.ops.ptp([1, 5, 3]).item()
    4
    """
    x = as_tensor(x)
    return reduce("max", x, axis, keepdims, "ptp") - reduce("min", x, axis, keepdims, "ptp")


@op("Any")
def any(x, axis=None, keepdims=False) -> Tensor:
    """Whether any element over axes is true.

    Args:
        x: Input tensor; numbers other than 0 are true.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.any([[True, False], [False, False]], axis=1).tolist()
    [True, False]
    """
    return reduce("any", cast(as_tensor(x), "bool"), axis, keepdims)


@op("All")
def all(x, axis=None, keepdims=False) -> Tensor:
    """Whether all elements over axes are true.

    Args:
        x: Input tensor; numbers other than 0 are true.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        A bool tensor.

    Example:

    >>> addax.ops.all([[True, False], [True, True]], axis=1).tolist()
    [False, True]
    """
    return reduce("all", cast(as_tensor(x), "bool"), axis, keepdims)


@op("CountNonzero")
def count_nonzero(x, axis=None) -> Tensor:
    """How many elements over axes are not zero.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.

    Returns:
        An int32 tensor.

    Example:

    >>> addax.ops.count_nonzero([[0, 1], [2, 3]], axis=1).tolist()
    [1, 2]
    """
    return reduce("sum", cast(cast(as_tensor(x), "bool"), "int32"), axis, False, "count_nonzero")


@op("math.Logsumexp")
def logsumexp(x, axis=None, keepdims=False) -> Tensor:
    """The logarithm of the sum of exponentials over axes, without overflow.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        `log(sum(exp(x)))`, floating.

    Example:

    >>> addax.ops.logsumexp([1000.0, -1000.0]).item()
    1000.0
    """
    return reduce("logsumexp", to_float(x), axis, keepdims)


@op("Argmax")
def argmax(x, axis=None, keepdims=False) -> Tensor:
    """The position of the largest element along an axis, the first of several.

    Args:
        x: Input tensor.
        axis: The axis; `None`: the flattened tensor.
        keepdims: Whether the axis stays, with size 1.

    Returns:
        An int32 tensor. NaN counts as largest.

    Example:

    >>> addax.ops.argmax([[1, 5], [3, 2]], axis=1).tolist()
    [1, 0]
    """
    return _arg("argmax", x, axis, keepdims)


@op("Argmin")
def argmin(x, axis=None, keepdims=False) -> Tensor:
    """The position of the smallest element along an axis, the first of several.

    Args:
        x: Input tensor.
        axis: The axis; `None`: the flattened tensor.
        keepdims: Whether the axis stays, with size 1.

    Returns:
        An int32 tensor. NaN counts as smallest.

    Example:

    >>> addax.ops.argmin([[1, 5], [3, 2]], axis=1).tolist()
    [0, 1]
    """
    return _arg("argmin", x, axis, keepdims)


def _arg(name: str, x: Any, axis: int | None, keepdims: bool) -> Tensor:
    x = as_tensor(x)
    if axis is None:
        result = apply(name, apply("reshape", x, shape=(x.size,)), axis=0)
        return apply("reshape", result, shape=(1,) * x.ndim) if keepdims else result
    return apply(name, x, axis=axis_of(axis, x.ndim, name), keepdims=keepdims)


@op("Cumsum")
def cumsum(x, axis=None, dtype=None) -> Tensor:
    """Running sums along an axis.

    Args:
        x: Input tensor.
        axis: The axis; `None`: the flattened tensor.
        dtype: Dtype of the result; `None`: that of `x`, int32 for bool.

    Returns:
        The sums up to and with each element.

    Example:

    >>> addax.ops.cumsum([1, 2, 3]).tolist()
    [1, 3, 6]
    """
    return _cumulate("cumsum", x, axis, dtype)


@op("Cumprod")
def cumprod(x, axis=None, dtype=None) -> Tensor:
    """Running products along an axis.

    Args:
        x: Input tensor.
        axis: The axis; `None`: the flattened tensor.
        dtype: Dtype of the result; `None`: that of `x`, int32 for bool.

    Returns:
        The products up to and with each element.

    Example:

    >>> addax.ops.cumprod([1, 2, 3]).tolist()
    [1, 2, 6]
    """
    return _cumulate("cumprod", x, axis, dtype)


def _cumulate(name: str, x: Any, axis: int | None, dtype: Any) -> Tensor:
    x = as_tensor(x)
    dtype = standardize_dtype(dtype) if dtype is not None else "int32" if x.dtype == "bool" else x.dtype
    x = cast(x, dtype)
    if axis is None:
        x, axis = apply("reshape", x, shape=(x.size,)), 0
    return cast(apply(name, x, axis=axis_of(axis, x.ndim, name)), dtype)


@op("Trapezoid", inputs="y")
def trapezoid(y, x=None, dx=1.0, axis=-1) -> Tensor:
    """Integrates along an axis by the trapezoid rule.

    Args:
        y: The values to integrate.
        x: Where they stand, of `y`'s shape or one position for each along the axis. `None`: `dx` apart.
        dx: The distance between neighbours if `x` is not given.
        axis: The axis.

    Returns:
        The integrals, floating.

    Example:

    >>> addax.ops.trapezoid([1.0, 2.0, 3.0]).item()
    4.0
    """
    y = to_float(y)
    axis = axis_of(axis, y.ndim, "trapezoid")
    before = (slice(None),) * axis
    upper, lower = (*before, slice(1, None)), (*before, slice(None, -1))
    if x is None:
        step = dx
    else:
        x = as_tensor(x)
        if x.ndim == 1:
            shape = [1] * y.ndim
            shape[axis] = x.shape[0]
            x = apply("reshape", x, shape=tuple(shape))
        step = x[upper] - x[lower]
    return cast(apply("sum", (y[upper] + y[lower]) * step * 0.5, axes=(axis,)), result_type(y.dtype))

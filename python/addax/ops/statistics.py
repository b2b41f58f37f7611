"""Medians, quantiles and percentiles. Counts and bins are in sort.py, moments in reduce.py."""

from __future__ import annotations

import math
from typing import Any

from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, axes_of, cast, scalar_like, to_float
from addax.ops.operation import op

_METHODS = ("linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf")


def _quantile(x: Any, q: Any, axis: Any, method: str, keepdims: bool, name: str, skip_nan: bool) -> Tensor:
    if method not in _METHODS:
        raise ValueError(f"{name}: expected a method out of {', '.join(map(repr, _METHODS))}. Received: {method!r}")
    x = to_float(x)
    dtype = x.dtype
    compute = "float64" if dtype == "float64" else "float32"
    q = as_tensor(q, compute)
    if q.ndim > 1:
        raise ValueError(f"{name}: expected q as a number or a vector, got shape {q.shape}")
    axes = axes_of(axis, x.ndim, name)
    kept = tuple([1 if a in axes else d for a, d in enumerate(x.shape) if keepdims or a not in axes])
    rest = [a for a in range(x.ndim) if a not in axes]
    n = math.prod(x.shape[a] for a in axes)
    rows = apply("transpose", x, axes=(*rest, *axes)) if x.ndim else x
    rows = apply("reshape", rows, shape=(math.prod(x.shape[a] for a in rest), n))
    rows = apply("sort", rows, axis=1)  # NaN last
    missing = apply("isnan", rows)
    if skip_nan:
        count = apply("sum", cast(apply("logical_not", missing), compute), axes=(1,), keepdims=True)
    else:
        count = scalar_like(float(n), compute)
    result = _pick(rows, apply("reshape", q, shape=(1, q.size)), count, method)
    if not skip_nan:
        bad = apply("any", missing, axes=(1,), keepdims=True)
        result = apply("where", bad, scalar_like(math.nan, dtype), result)
    result = apply("transpose", cast(result, dtype), axes=(1, 0))
    return apply("reshape", result, shape=(*q.shape, *kept))


def _pick(rows: Tensor, q: Tensor, count: Tensor, method: str) -> Tensor:
    """The quantiles of sorted rows, of which `count` elements take part."""
    last = scalar_like(rows.shape[1] - 1, "int32")
    zero = scalar_like(0, "int32")
    place = q * count - 1 if method == "inverted_cdf" else q * (count - 1)
    below, above = apply("floor", place), apply("ceil", place)

    def at(position: Tensor) -> Tensor:
        index = apply("clip", cast(position, "int32"), zero, last)
        index = apply("broadcast_to", index, shape=(rows.shape[0], index.shape[1]))
        return apply("take_along_axis", rows, index, axis=1)

    if method == "lower":
        return at(below)
    if method in ("higher", "inverted_cdf"):
        return at(above)
    low, high = at(below), at(above)
    if method == "midpoint":
        return (low + high) * 0.5
    part = place - below
    if method == "nearest":
        return apply("where", part <= 0.5, low, high)
    part = cast(part, rows.dtype)
    return low * (1 - part) + high * part


@op("Quantile")
def quantile(x, q, axis=None, method="linear", keepdims=False) -> Tensor:
    """The values below which given parts of the elements lie.

    Args:
        x: Input tensor.
        q: The parts, from 0 to 1: a number or a vector.
        axis: Axis or axes; `None`: all.
        method: What to do between two elements: `"linear"`, `"lower"`, `"higher"`, `"midpoint"`, `"nearest"` or
            `"inverted_cdf"`.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The quantiles, floating, with an axis for a vector `q` in front; NaN if an element is.

    Raises:
        ValueError: If the method is none of these or `q` is of a higher rank.

    Example:

    >>> addax.ops.quantile([1.0, 2.0, 3.0], 0.25).item()
    1.5
    """
    return _quantile(x, q, axis, method, keepdims, "quantile", skip_nan=False)


@op("Percentile")
def percentile(x, q, axis=None, method="linear", keepdims=False) -> Tensor:
    """The values below which given percentages of the elements lie.

    Args:
        x: Input tensor.
        q: The percentages, from 0 to 100: a number or a vector.
        axis: Axis or axes; `None`: all.
        method: As in `quantile`.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The percentiles, floating, with an axis for a vector `q` in front; NaN if an element is.

    Example:

    >>> addax.ops.percentile([1.0, 2.0, 3.0], 50).item()
    2.0
    """
    return _quantile(x, to_float(q) / 100, axis, method, keepdims, "percentile", skip_nan=False)


@op("Median")
def median(x, axis=None, keepdims=False) -> Tensor:
    """The middle element over axes, or the mean of the two in the middle.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The medians, floating; NaN if an element is.

    Example:

    >>> addax.ops.median([3.0, 1.0, 2.0]).item()
    2.0
    """
    return _quantile(x, 0.5, axis, "midpoint", keepdims, "median", skip_nan=False)


@op("Nanquantile")
def nanquantile(x, q, axis=None, method="linear", keepdims=False) -> Tensor:
    """The quantiles of the elements that are not NaN.

    Args:
        x: Input tensor.
        q: The parts, from 0 to 1: a number or a vector.
        axis: Axis or axes; `None`: all.
        method: As in `quantile`.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The quantiles, floating; NaN where there is nothing else.

    Example:

    >>> addax.ops.nanquantile([1.0, float("nan"), 3.0], 0.5).item()
    2.0
    """
    return _quantile(x, q, axis, method, keepdims, "nanquantile", skip_nan=True)


@op("Nanpercentile")
def nanpercentile(x, q, axis=None, method="linear", keepdims=False) -> Tensor:
    """The percentiles of the elements that are not NaN.

    Args:
        x: Input tensor.
        q: The percentages, from 0 to 100: a number or a vector.
        axis: Axis or axes; `None`: all.
        method: As in `quantile`.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The percentiles, floating; NaN where there is nothing else.

    Example:

    >>> addax.ops.nanpercentile([1.0, float("nan"), 3.0], 50).item()
    2.0
    """
    return _quantile(x, to_float(q) / 100, axis, method, keepdims, "nanpercentile", skip_nan=True)


@op("Nanmedian")
def nanmedian(x, axis=None, keepdims=False) -> Tensor:
    """The median of the elements that are not NaN.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The medians, floating; NaN where there is nothing else.

    Example:

    >>> addax.ops.nanmedian([1.0, float("nan"), 3.0]).item()
    2.0
    """
    return _quantile(x, 0.5, axis, "midpoint", keepdims, "nanmedian", skip_nan=True)

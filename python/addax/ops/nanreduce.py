"""Reductions that skip NaN. Part of the reduce family; quantiles are in statistics.py."""

from __future__ import annotations

import math
from typing import Any

from addax.dtypes import FLOAT_DTYPES
from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, cast, scalar_like, to_float
from addax.ops.operation import op
from addax.ops.reduce import argmax, argmin, cumprod, cumsum, reduce


def _filled(x: Any, value: float) -> tuple[Tensor, Tensor | None]:
    """The tensor with a value in place of NaN, and where NaN was; None if there can be none."""
    x = as_tensor(x)
    if x.dtype not in FLOAT_DTYPES:
        return x, None
    missing = apply("isnan", x)
    return apply("where", missing, scalar_like(value, x.dtype), x), missing


def _nan_where_all(result: Tensor, missing: Tensor | None, axis: Any, keepdims: bool) -> Tensor:
    if missing is None:
        return result
    return apply("where", reduce("all", missing, axis, keepdims), scalar_like(math.nan, result.dtype), result)


@op("Nansum")
def nansum(x, axis=None, keepdims=False) -> Tensor:
    """Sums over axes; NaN counts as 0.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The sums, as of `sum`.

    Example:

    >>> addax.ops.nansum([1.0, float("nan"), 2.0]).item()
    3.0
    """
    return reduce("sum", _filled(x, 0.0)[0], axis, keepdims, "nansum")


@op("Nanprod")
def nanprod(x, axis=None, keepdims=False) -> Tensor:
    """Multiplies over axes; NaN counts as 1.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The products, as of `prod`.

    Example:

    >>> addax.ops.nanprod([3.0, float("nan"), 2.0]).item()
    6.0
    """
    return reduce("prod", _filled(x, 1.0)[0], axis, keepdims, "nanprod")


@op("Nanmax")
def nanmax(x, axis=None, keepdims=False) -> Tensor:
    """The largest element over axes that is not NaN.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The maxima, in the same dtype; NaN where there is nothing else.

    Example:

    >>> addax.ops.nanmax([1.0, float("nan"), 2.0]).item()
    2.0
    """
    x, missing = _filled(x, -math.inf)
    return _nan_where_all(reduce("max", x, axis, keepdims, "nanmax"), missing, axis, keepdims)


@op("Nanmin")
def nanmin(x, axis=None, keepdims=False) -> Tensor:
    """The smallest element over axes that is not NaN.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The minima, in the same dtype; NaN where there is nothing else.

    Example:

    >>> addax.ops.nanmin([1.0, float("nan"), 2.0]).item()
    1.0
    """
    x, missing = _filled(x, math.inf)
    return _nan_where_all(reduce("min", x, axis, keepdims, "nanmin"), missing, axis, keepdims)


@op("Nanmean")
def nanmean(x, axis=None, keepdims=False) -> Tensor:
    """The mean over axes of the elements that are not NaN.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The means, floating; NaN where there is nothing else.

    Example:

    >>> addax.ops.nanmean([1.0, float("nan"), 2.0]).item()
    1.5
    """
    x = to_float(x)
    wide = cast(x, "float32") if x.dtype in ("float16", "bfloat16") else x
    filled, missing = _filled(wide, 0.0)
    n = reduce("sum", cast(apply("logical_not", missing), wide.dtype), axis, keepdims, "nanmean")
    return cast(reduce("sum", filled, axis, keepdims, "nanmean") / n, x.dtype)


@op("Nanvar")
def nanvar(x, axis=None, keepdims=False) -> Tensor:
    """The variance over axes of the elements that are not NaN.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The variances, floating; NaN where there is nothing else.

    Example:

    >>> addax.ops.nanvar([1.0, float("nan"), 3.0]).item()
    1.0
    """
    x = to_float(x)
    wide = cast(x, "float32") if x.dtype in ("float16", "bfloat16") else x
    centered = wide - nanmean.__wrapped__(wide, axis, keepdims=True)
    return cast(nanmean.__wrapped__(apply("square", centered), axis, keepdims), x.dtype)


@op("Nanstd")
def nanstd(x, axis=None, keepdims=False) -> Tensor:
    """The standard deviation over axes of the elements that are not NaN.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.
        keepdims: Whether the axes stay, with size 1.

    Returns:
        The deviations, floating; NaN where there is nothing else.

    Example:

    >>> addax.ops.nanstd([1.0, float("nan"), 3.0]).item()
    1.0
    """
    return apply("sqrt", nanvar.__wrapped__(x, axis, keepdims))


def _minus_one_where_all(result: Tensor, missing: Tensor | None, axis: Any, keepdims: bool) -> Tensor:
    if missing is None:
        return result
    return apply("where", reduce("all", missing, axis, keepdims), scalar_like(-1, result.dtype), result)


@op("Nanargmax")
def nanargmax(x, axis=None, keepdims=False) -> Tensor:
    """The position of the largest element along an axis that is not NaN.

    Args:
        x: Input tensor.
        axis: The axis; `None`: the flattened tensor.
        keepdims: Whether the axis stays, with size 1.

    Returns:
        An int32 tensor; -1 where there is only NaN.

    Example:

    >>> addax.ops.nanargmax([1.0, float("nan"), 2.0]).item()
    2
    """
    x, missing = _filled(x, -math.inf)
    return _minus_one_where_all(argmax.__wrapped__(x, axis, keepdims), missing, axis, keepdims)


@op("Nanargmin")
def nanargmin(x, axis=None, keepdims=False) -> Tensor:
    """The position of the smallest element along an axis that is not NaN.

    Args:
        x: Input tensor.
        axis: The axis; `None`: the flattened tensor.
        keepdims: Whether the axis stays, with size 1.

    Returns:
        An int32 tensor; -1 where there is only NaN.

    Example:

    >>> addax.ops.nanargmin([1.0, float("nan"), 2.0]).item()
    0
    """
    x, missing = _filled(x, math.inf)
    return _minus_one_where_all(argmin.__wrapped__(x, axis, keepdims), missing, axis, keepdims)


@op("Nancumsum")
def nancumsum(x, axis=None, dtype=None) -> Tensor:
    """Running sums along an axis; NaN counts as 0.

    Args:
        x: Input tensor.
        axis: The axis; `None`: the flattened tensor.
        dtype: Dtype of the result; `None`: as of `cumsum`.

    Returns:
        The sums up to and with each element.

    Example:

    >>> addax.ops.nancumsum([1.0, float("nan"), 2.0]).tolist()
    [1.0, 1.0, 3.0]
    """
    return cumsum.__wrapped__(_filled(x, 0.0)[0], axis, dtype)


@op("Nancumprod")
def nancumprod(x, axis=None, dtype=None) -> Tensor:
    """Running products along an axis; NaN counts as 1.

    Args:
        x: Input tensor.
        axis: The axis; `None`: the flattened tensor.
        dtype: Dtype of the result; `None`: as of `cumprod`.

    Returns:
        The products up to and with each element.

    Example:

    >>> addax.ops.nancumprod([3.0, float("nan"), 2.0]).tolist()
    [3.0, 3.0, 6.0]
    """
    return cumprod.__wrapped__(_filled(x, 1.0)[0], axis, dtype)

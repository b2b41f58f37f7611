"""Pooling over one to three spatial dims. The engine computes channels-last with explicit padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from addax.engine import Tensor, apply
from addax.ops.conv import from_channels_last, paddings, to_channels_last, tuple_of
from addax.ops.convert import as_tensor, cast, to_float
from addax.ops.operation import op


def _pool(kind: str, x: Tensor, pool_size: Any, strides: Any, padding: str, data_format: str | None, name: str):
    if not 3 <= x.ndim <= 5:
        raise ValueError(
            f"{name}: expected inputs of rank 3 to 5 (batch, one to three spatial dims, channels), got shape {x.shape}"
        )
    x, first = to_channels_last(x, data_format)
    n = x.ndim - 2
    window = tuple_of(pool_size, n, name, "pool_size")
    strides = window if strides is None else tuple_of(strides, n, name, "strides")
    low, high = paddings(padding, x.shape[1:-1], window, strides, name)
    return from_channels_last(apply(kind, x, window=window, strides=strides, low=low, high=high), first)


@op("nn.MaxPool", inputs="inputs")
def max_pool(inputs, pool_size, strides=None, padding="valid", data_format=None) -> Tensor:
    """The largest element of each window.

    Args:
        inputs: Tensor of shape `(batch, spatial..., channels)`, or with the channels second (see `data_format`).
        pool_size: The size of the window, an int or one for each spatial dim.
        strides: The step of the window; `None`: its size.
        padding: `"valid"`: windows that lie inside; `"same"`: as many as strides fit into the input.
        data_format: `"channels_last"`, `"channels_first"` or `None` for the config's.

    Returns:
        A tensor of shape `(batch, new spatial..., channels)`.

    Raises:
        ValueError: If shapes or settings do not fit.

    Example:

    >>> addax.ops.max_pool([[[1.0], [3.0], [2.0], [5.0]]], 2).tolist()
    [[[3.0], [5.0]]]
    """
    return _pool("max_pool", as_tensor(inputs), pool_size, strides, padding, data_format, "max_pool")


@op("nn.AveragePool", inputs="inputs")
def average_pool(inputs, pool_size, strides=None, padding="valid", data_format=None) -> Tensor:
    """The mean of each window; padding does not count.

    Args:
        inputs: Tensor of shape `(batch, spatial..., channels)`, or with the channels second (see `data_format`).
        pool_size: The size of the window, an int or one for each spatial dim.
        strides: The step of the window; `None`: its size.
        padding: `"valid"`: windows that lie inside; `"same"`: as many as strides fit into the input.
        data_format: `"channels_last"`, `"channels_first"` or `None` for the config's.

    Returns:
        A tensor of shape `(batch, new spatial..., channels)`, floating.

    Raises:
        ValueError: If shapes or settings do not fit.

    Example:

    >>> addax.ops.average_pool([[[1.0], [3.0], [2.0], [6.0]]], 2).tolist()
    [[[2.0], [4.0]]]
    """
    return _pool("avg_pool", to_float(inputs), pool_size, strides, padding, data_format, "average_pool")


@op("nn.AdaptiveAveragePool", inputs="inputs")
def adaptive_average_pool(inputs, output_size, data_format=None) -> Tensor:
    """The mean of each of a given number of windows that cover the input.

    Args:
        inputs: Tensor of shape `(batch, spatial..., channels)`, or with the channels second (see `data_format`).
        output_size: The number of windows, an int or one for each spatial dim.
        data_format: `"channels_last"`, `"channels_first"` or `None` for the config's.

    Returns:
        A tensor of shape `(batch, output_size..., channels)`, floating.

    Example:

    >>> addax.ops.adaptive_average_pool([[[0.0], [1.0], [2.0]]], 2).tolist()
    [[[0.5], [1.5]]]
    """
    x, first = to_channels_last(to_float(inputs), data_format)
    sizes = tuple_of(output_size, x.ndim - 2, "adaptive_average_pool", "output_size")
    for axis, out in enumerate(sizes, start=1):
        size = x.shape[axis]
        start, stop = _bounds(size, out)
        position = np.arange(size)
        inside = (position >= start[:, None]) & (position < stop[:, None])
        weights = as_tensor((inside / (stop - start)[:, None]).astype("float32"))
        order = (*[a for a in range(x.ndim) if a != axis], axis)
        moved = apply("transpose", x, axes=order)
        y = apply("matmul", moved, cast(weights, x.dtype), transpose_b=True)
        x = apply("transpose", y, axes=tuple(np.argsort(order).tolist()))
    return from_channels_last(x, first)


@op("nn.AdaptiveMaxPool", inputs="inputs")
def adaptive_max_pool(inputs, output_size, data_format=None) -> Tensor:
    """The largest element of each of a given number of windows that cover the input.

    Args:
        inputs: Tensor of shape `(batch, spatial..., channels)`, or with the channels second (see `data_format`).
        output_size: The number of windows, an int or one for each spatial dim.
        data_format: `"channels_last"`, `"channels_first"` or `None` for the config's.

    Returns:
        A tensor of shape `(batch, output_size..., channels)`.

    Example:

    >>> addax.ops.adaptive_max_pool([[[0.0], [1.0], [2.0]]], 2).tolist()
    [[[1.0], [2.0]]]
    """
    x, first = to_channels_last(as_tensor(inputs), data_format)
    sizes = tuple_of(output_size, x.ndim - 2, "adaptive_max_pool", "output_size")
    for axis, out in enumerate(sizes, start=1):
        start, stop = _bounds(x.shape[axis], out)
        # Windows differ in length by one: the shorter ones take their last element twice.
        position = np.minimum(start[:, None] + np.arange((stop - start).max()), stop[:, None] - 1)
        x = apply("max", apply("take", x, as_tensor(position.astype("int32")), axis=axis), axes=(axis + 1,))
    return from_channels_last(x, first)


def _bounds(size: int, out: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each window begins and ends."""
    i = np.arange(out)
    return i * size // out, -(-(i + 1) * size // out)

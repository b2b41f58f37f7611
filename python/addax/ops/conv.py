"""Convolutions over one to three spatial dims. The engine computes channels-last with explicit padding."""

from __future__ import annotations

from typing import Any

from addax import config
from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, same_dtype
from addax.ops.operation import op


def tuple_of(value: Any, n: int, name: str, argument: str) -> tuple[int, ...]:
    """One int for each spatial dim, of one for all or a sequence."""
    values = (value,) * n if isinstance(value, int) else tuple(value)
    if len(values) != n or not all(isinstance(v, int) and v > 0 for v in values):
        raise ValueError(f"{name}: expected a positive int or {n} of them as `{argument}`. Received: {value}")
    return values


def same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    """The padding before and after that makes ceil(size / stride) windows; the odd one goes behind."""
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def paddings(
    padding: str, sizes: tuple[int, ...], windows: tuple[int, ...], strides: tuple[int, ...], name: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The padding before and after for "valid" or "same"."""
    mode = str(padding).lower()
    if mode == "valid":
        return (0,) * len(sizes), (0,) * len(sizes)
    if mode != "same":
        raise ValueError(f"{name}: expected padding 'valid' or 'same'. Received: padding={padding!r}")
    pairs = [same_padding(*args) for args in zip(sizes, windows, strides, strict=True)]
    return tuple([low for low, _ in pairs]), tuple([high for _, high in pairs])


def to_channels_last(x: Tensor, data_format: str | None) -> tuple[Tensor, bool]:
    """The tensor with channels last, and whether they were first."""
    first = config.standardize_data_format(data_format) == "channels_first"
    return (apply("transpose", x, axes=(0, *range(2, x.ndim), 1)) if first else x), first


def from_channels_last(x: Tensor, first: bool) -> Tensor:
    """Moves the channels back to the front if they came from there."""
    return apply("transpose", x, axes=(0, x.ndim - 1, *range(1, x.ndim - 1))) if first else x


def _operands(inputs: Any, kernel: Any, data_format: str | None, name: str) -> tuple[Tensor, Tensor, bool]:
    x, kernel = same_dtype(as_tensor(inputs), as_tensor(kernel))
    if not 3 <= x.ndim <= 5 or kernel.ndim != x.ndim:
        raise ValueError(
            f"{name}: expected inputs of rank 3 to 5 (batch, one to three spatial dims, channels) and a kernel of the "
            f"same rank, got shapes {x.shape} and {kernel.shape}"
        )
    x, first = to_channels_last(x, data_format)
    return x, kernel, first


@op("nn.Conv")
def conv(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1) -> Tensor:
    """Convolution over one to three spatial dims.

    Args:
        inputs: Tensor of shape `(batch, spatial..., channels)`, or with the channels second (see `data_format`).
        kernel: Tensor of shape `(spatial..., channels / groups, filters)`; the groups follow from the shapes.
        strides: The step of the window, an int or one for each spatial dim.
        padding: `"valid"`: windows that lie inside; `"same"`: as many as strides fit into the input.
        data_format: `"channels_last"`, `"channels_first"` or `None` for the config's.
        dilation_rate: The distance between the taps of the window, an int or one for each spatial dim.

    Returns:
        A tensor of shape `(batch, new spatial..., filters)`, in the promoted dtype.

    Raises:
        ValueError: If shapes or settings do not fit.

    Example:

    >>> x, k = addax.ops.ones((1, 5, 1)), addax.ops.ones((3, 1, 1))
    >>> addax.ops.conv(x, k).tolist()
    [[[3.0], [3.0], [3.0]]]
    """
    x, kernel, first = _operands(inputs, kernel, data_format, "conv")
    n = x.ndim - 2
    strides = tuple_of(strides, n, "conv", "strides")
    dilation = tuple_of(dilation_rate, n, "conv", "dilation_rate")
    channels, taken = x.shape[-1], kernel.shape[-2]
    if taken == 0 or channels % taken:
        raise ValueError(
            f"conv: the inputs have {channels} channels, the kernel of shape {kernel.shape} takes {taken}; the first "
            "must be a multiple of the second"
        )
    windows = tuple([(k - 1) * d + 1 for k, d in zip(kernel.shape[:n], dilation, strict=True)])
    low, high = paddings(padding, x.shape[1:-1], windows, strides, "conv")
    y = apply("conv", x, kernel, strides=strides, low=low, high=high, dilation=dilation, groups=channels // taken)
    return from_channels_last(y, first)


@op("nn.DepthwiseConv")
def depthwise_conv(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1) -> Tensor:
    """Convolution of each channel on its own.

    Args:
        inputs: Tensor of shape `(batch, spatial..., channels)`, or with the channels second.
        kernel: Tensor of shape `(spatial..., channels, multiplier)`.
        strides: The step of the window, an int or one for each spatial dim.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`, `"channels_first"` or `None` for the config's.
        dilation_rate: The distance between the taps of the window, an int or one for each spatial dim.

    Returns:
        A tensor of shape `(batch, new spatial..., channels * multiplier)`.

    Raises:
        ValueError: If shapes or settings do not fit.

    Example:

    >>> x, k = addax.ops.ones((1, 3, 2)), addax.ops.ones((3, 2, 1))
    >>> addax.ops.depthwise_conv(x, k).tolist()
    [[[3.0, 3.0]]]
    """
    kernel = as_tensor(kernel)
    *spatial, channels, multiplier = kernel.shape
    grouped = apply("reshape", kernel, shape=(*spatial, 1, channels * multiplier))
    return conv.__wrapped__(inputs, grouped, strides, padding, data_format, dilation_rate)


@op("nn.SeparableConv")
def separable_conv(
    inputs, depthwise_kernel, pointwise_kernel, strides=1, padding="valid", data_format=None, dilation_rate=1
) -> Tensor:
    """Convolution of each channel on its own, then a mixture of the channels.

    Args:
        inputs: Tensor of shape `(batch, spatial..., channels)`, or with the channels second.
        depthwise_kernel: Tensor of shape `(spatial..., channels, multiplier)`.
        pointwise_kernel: Tensor of shape `(1..., channels * multiplier, filters)`.
        strides: The step of the window, an int or one for each spatial dim.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`, `"channels_first"` or `None` for the config's.
        dilation_rate: The distance between the taps of the window, an int or one for each spatial dim.

    Returns:
        A tensor of shape `(batch, new spatial..., filters)`.

    Example:

    >>> x, d, p = addax.ops.ones((1, 3, 2)), addax.ops.ones((3, 2, 1)), addax.ops.ones((1, 2, 1))
    >>> addax.ops.separable_conv(x, d, p).tolist()
    [[[6.0]]]
    """
    y = depthwise_conv.__wrapped__(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv.__wrapped__(y, pointwise_kernel, 1, "valid", data_format, 1)


@op("nn.ConvTranspose")
def conv_transpose(
    inputs, kernel, strides=1, padding="valid", output_padding=None, data_format=None, dilation_rate=1
) -> Tensor:
    """Transposed convolution: the gradient of a convolution with respect to its input.

    Args:
        inputs: Tensor of shape `(batch, spatial..., channels)`, or with the channels second.
        kernel: Tensor of shape `(spatial..., filters, channels)`.
        strides: By how much the spatial dims grow, an int or one for each.
        padding: `"valid"` or `"same"`.
        output_padding: What to add to the size of the result, an int or one for each spatial dim; `None`: with `"same"`
            it becomes `strides` times the input.
        data_format: `"channels_last"`, `"channels_first"` or `None` for the config's.
        dilation_rate: The distance between the taps of the window, an int or one for each spatial dim.

    Returns:
        A tensor of shape `(batch, new spatial..., filters)`.

    Raises:
        ValueError: If shapes or settings do not fit.

    Example:

    >>> x, k = addax.ops.ones((1, 2, 1)), addax.ops.ones((2, 1, 1))
    >>> addax.ops.conv_transpose(x, k, strides=2).tolist()
    [[[1.0], [1.0], [1.0], [1.0]]]
    """
    x, kernel, first = _operands(inputs, kernel, data_format, "conv_transpose")
    n = x.ndim - 2
    strides = tuple_of(strides, n, "conv_transpose", "strides")
    dilation = tuple_of(dilation_rate, n, "conv_transpose", "dilation_rate")
    if x.shape[-1] != kernel.shape[-1]:
        raise ValueError(
            f"conv_transpose: the inputs have {x.shape[-1]} channels, the kernel of shape {kernel.shape} takes "
            f"{kernel.shape[-1]}"
        )
    one_for_all = output_padding is None or isinstance(output_padding, int)
    extra = (output_padding,) * n if one_for_all else tuple(output_padding)
    sizes, low, high = [], [], []
    for size, k, stride, d, more in zip(x.shape[1:-1], kernel.shape[:n], strides, dilation, extra, strict=True):
        out, before, after = _transposed(size, (k - 1) * d + 1, stride, padding, more)
        sizes.append(out)
        low.append(before)
        high.append(after)
    y = apply(
        "conv_input_grad",
        x,
        kernel,
        strides=strides,
        low=tuple(low),
        high=tuple(high),
        dilation=dilation,
        groups=1,
        input_spatial=tuple(sizes),
    )
    return from_channels_last(y, first)


def _transposed(size: int, window: int, stride: int, padding: str, extra: int | None) -> tuple[int, int, int]:
    """The size of the result along one dim, and the padding of the convolution that it is the input of."""
    mode = str(padding).lower()
    if mode not in ("valid", "same"):
        raise ValueError(f"conv_transpose: expected padding 'valid' or 'same'. Received: padding={padding!r}")
    if extra is not None and extra >= stride:
        raise ValueError(f"conv_transpose: output_padding={extra} must be less than the stride, {stride}")
    reach = (size - 1) * stride + window
    if mode == "valid":
        out = size * stride + max(window - stride, 0) if extra is None else reach + extra
    else:
        out = size * stride if extra is None else reach - 2 * (window // 2) + extra
    total = max(reach - out, 0)
    return out, total // 2, total - total // 2

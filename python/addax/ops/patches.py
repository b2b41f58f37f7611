"""Images to patches and back, and axes rearranged by name. Part of the movement family."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from addax import config
from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor
from addax.ops.creation import filled
from addax.ops.operation import op


@op("nn.DepthToSpace", inputs="x")
def depth_to_space(x, block_size, data_format="channels_last") -> Tensor:
    """Moves channels into blocks of pixels.

    Args:
        x: Images, a tensor of rank 4 whose number of channels is divisible by `block_size**2`.
        block_size: The height and width of a block.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Images larger by `block_size` in height and width.

    Raises:
        ValueError: If the number of channels is not divisible.

    Example:

    >>> addax.ops.depth_to_space(addax.ops.zeros((1, 2, 2, 4)), 2).shape
    (1, 4, 4, 1)
    """
    x, first = _images(x, data_format, "depth_to_space")
    n, h, w, c = x.shape
    b = block_size
    if c % (b * b):
        raise ValueError(f"depth_to_space: {c} channels are not divisible by block_size**2 = {b * b}")
    if first:  # the channel is the outer index, as with channels_last the block is
        x = apply("transpose", apply("reshape", x, shape=(n, h, w, c // (b * b), b, b)), axes=(0, 1, 4, 2, 5, 3))
    else:
        x = apply("transpose", apply("reshape", x, shape=(n, h, w, b, b, c // (b * b))), axes=(0, 1, 3, 2, 4, 5))
    return _images_back(apply("reshape", x, shape=(n, h * b, w * b, c // (b * b))), first)


@op("nn.SpaceToDepth", inputs="x")
def space_to_depth(x, block_size, data_format="channels_last") -> Tensor:
    """Moves blocks of pixels into channels.

    Args:
        x: Images, a tensor of rank 4 whose height and width are divisible by `block_size`.
        block_size: The height and width of a block.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Images smaller by `block_size` in height and width.

    Raises:
        ValueError: If the height or width is not divisible.

    Example:

    >>> addax.ops.space_to_depth(addax.ops.zeros((1, 4, 4, 1)), 2).shape
    (1, 2, 2, 4)
    """
    x, first = _images(x, data_format, "space_to_depth")
    n, h, w, c = x.shape
    b = block_size
    if h % b or w % b:
        raise ValueError(f"space_to_depth: height {h} and width {w} must be divisible by block_size={b}")
    x = apply("reshape", x, shape=(n, h // b, b, w // b, b, c))
    x = apply("transpose", x, axes=(0, 1, 3, 5, 2, 4) if first else (0, 1, 3, 2, 4, 5))
    return _images_back(apply("reshape", x, shape=(n, h // b, w // b, b * b * c)), first)


def _images(x: Any, data_format: str, name: str) -> tuple[Tensor, bool]:
    x = as_tensor(x)
    if x.ndim != 4:
        raise ValueError(f"{name}: expected images, a tensor of rank 4, got shape {x.shape}")
    first = config.standardize_data_format(data_format) == "channels_first"
    return (apply("transpose", x, axes=(0, 2, 3, 1)) if first else x), first


def _images_back(x: Tensor, first: bool) -> Tensor:
    return apply("transpose", x, axes=(0, 3, 1, 2)) if first else x


def _pair(value: Any, name: str, argument: str) -> tuple[int, int]:
    values = (value, value) if isinstance(value, int) else tuple(value)
    if len(values) != 2:
        raise ValueError(f"{name}: expected an int or two as `{argument}`. Received: {value}")
    return values


def _windows(size: tuple[int, int], kernel: Any, dilation: Any, padding: Any, stride: Any, name: str):
    """For each of height and width: kernel, dilation, padding, stride and the number of windows."""
    settings = zip(
        size,
        _pair(kernel, name, "kernel_size"),
        _pair(dilation, name, "dilation"),
        _pair(padding, name, "padding"),
        _pair(stride, name, "stride"),
        strict=True,
    )
    result = []
    for n, k, d, p, s in settings:
        count = (n + 2 * p - d * (k - 1) - 1) // s + 1
        if count < 1:
            raise ValueError(f"{name}: a window of {k} with dilation {d} does not fit into {n} padded by {p}")
        result.append((k, d, p, s, count))
    return result


@op("nn.Unfold", inputs="x")
def unfold(x, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """Lays sliding windows out as columns.

    Args:
        x: Images of shape `(batch, channels, height, width)`.
        kernel_size: The height and width of a window.
        dilation: The distance between its taps.
        padding: Zeros around the images.
        stride: The step of the window.

    Returns:
        A tensor of shape `(batch, channels * window, windows)`.

    Raises:
        ValueError: If the shape or settings do not fit.

    Example:

    >>> addax.ops.unfold(addax.ops.ones((1, 2, 4, 4)), 2).shape
    (1, 8, 9)
    """
    x = as_tensor(x)
    if x.ndim != 4:
        raise ValueError(f"unfold: expected images of shape (batch, channels, height, width), got shape {x.shape}")
    n, c, *size = x.shape
    rows, columns = _windows(tuple(size), kernel_size, dilation, padding, stride, "unfold")
    margin = (0, 0, rows[2], columns[2])
    x = apply("pad", x, low=margin, high=margin)
    for axis, (k, d, _, s, count) in ((2, rows), (4, columns)):
        position = np.arange(k)[:, None] * d + np.arange(count) * s
        x = apply("take", x, as_tensor(position.astype("int32")), axis=axis)
    x = apply("transpose", x, axes=(0, 1, 2, 4, 3, 5))
    return apply("reshape", x, shape=(n, c * rows[0] * columns[0], rows[4] * columns[4]))


@op("nn.Fold", inputs="x")
def fold(x, output_size, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """Adds columns of windows back into images: the transposed map of `unfold`.

    Args:
        x: Columns of shape `(batch, channels * window, windows)`.
        output_size: The height and width of the images.
        kernel_size: The height and width of a window.
        dilation: The distance between its taps.
        padding: Zeros that were around the images.
        stride: The step of the window.

    Returns:
        Images of shape `(batch, channels, height, width)`.

    Raises:
        ValueError: If the shape or settings do not fit.

    Example:

    >>> addax.ops.fold(addax.ops.ones((1, 8, 9)), 4, 2).shape
    (1, 2, 4, 4)
    """
    x = as_tensor(x)
    size = _pair(output_size, "fold", "output_size")
    rows, columns = _windows(size, kernel_size, dilation, padding, stride, "fold")
    window = rows[0] * columns[0]
    if x.ndim != 3 or x.shape[1] % window or x.shape[2] != rows[4] * columns[4]:
        raise ValueError(
            f"fold: expected columns of shape (batch, channels * {window}, {rows[4] * columns[4]}), got {x.shape}"
        )
    n, c = x.shape[0], x.shape[1] // window
    x = apply("reshape", x, shape=(n, c, rows[0], columns[0], rows[4], columns[4]))
    height, width = size[0] + 2 * rows[2], size[1] + 2 * columns[2]
    image = filled((n, c, height, width), 0, x.dtype)
    for i in range(rows[0]):
        for j in range(columns[0]):
            top, left = i * rows[1], j * columns[1]
            key = {
                "starts": (0, 0, top, left),
                "stops": (n, c, top + (rows[4] - 1) * rows[3] + 1, left + (columns[4] - 1) * columns[3] + 1),
                "steps": (1, 1, rows[3], columns[3]),
            }
            image = apply("slice_update", image, apply("slice", image, **key) + x[:, :, i, j], **key)
    return image[:, :, rows[2] : height - rows[2], columns[2] : width - columns[2]]


@op("core.Rearrange", inputs="tensor")
def rearrange(tensor, pattern, **axes_lengths) -> Tensor:
    """Permutes, splits and joins axes as a pattern of their names says.

    Args:
        tensor: Input tensor.
        pattern: Such as `"b (h p) c -> b h (p c)"`: names in parentheses share an axis, `...` stands for any others.
        **axes_lengths: Sizes of names that the shape does not tell.

    Returns:
        The rearranged tensor.

    Raises:
        ValueError: If the pattern does not fit the tensor.

    Example:

    >>> addax.ops.rearrange(addax.ops.ones((2, 6)), "a (b c) -> c a b", b=3).shape
    (2, 2, 3)
    """
    x = as_tensor(tensor)
    left, arrow, right = pattern.partition("->")
    if not arrow:
        raise ValueError(f"rearrange: expected '->' in the pattern. Received: {pattern!r}")
    given, wanted = _groups(left, pattern), _groups(right, pattern)
    if ["..."] in given:
        at = given.index(["..."])
        hidden = [[f"...{i}"] for i in range(x.ndim - len(given) + 1)]
        given[at : at + 1] = hidden
        wanted = [h for g in wanted for h in (hidden if g == ["..."] else [g])]
    names = [name for group in given for name in group]
    if len(given) != x.ndim or sorted(names) != sorted(n for g in wanted for n in g) or len(set(names)) != len(names):
        raise ValueError(
            f"rearrange: {pattern!r} does not fit a tensor of shape {x.shape}: name each axis once on either side"
        )
    sizes = dict(axes_lengths)
    for group, size in zip(given, x.shape, strict=True):
        unknown = [name for name in group if name not in sizes]
        known = math.prod(sizes[name] for name in group if name in sizes)
        if len(unknown) > 1 or size % max(known, 1) or (not unknown and known != size):
            raise ValueError(
                f"rearrange: an axis of size {size} cannot be ({' '.join(group)}) with {axes_lengths}; give the sizes "
                "of all names but one"
            )
        for name in unknown:
            sizes[name] = size // max(known, 1)
    x = apply("reshape", x, shape=tuple([sizes[name] for name in names]))
    order = tuple([names.index(name) for group in wanted for name in group])
    x = apply("transpose", x, axes=order) if order else x
    return apply("reshape", x, shape=tuple([math.prod(sizes[name] for name in group) for group in wanted]))


def _groups(side: str, pattern: str) -> list[list[str]]:
    """The names of each axis on one side of a pattern."""
    groups: list[list[str]] = []
    inside = False
    for token in side.replace("(", " ( ").replace(")", " ) ").split():
        if token == "(" and not inside:
            groups.append([])
            inside = True
        elif token == ")" and inside:
            inside = False
        elif token in "()" or not (token == "..." or token.isidentifier()):
            raise ValueError(f"rearrange: cannot read {token!r} in the pattern {pattern!r}")
        elif inside:
            groups[-1].append(token)
        else:
            groups.append([token])
    if inside:
        raise ValueError(f"rearrange: a parenthesis is not closed in the pattern {pattern!r}")
    return groups

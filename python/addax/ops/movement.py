"""Ops that move elements: reshape, transpose, join, split, repeat, pad, roll, triangles and diagonals."""

from __future__ import annotations

from typing import Any

import numpy as np

from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, axes_of, axis_of, dims_of
from addax.ops.operation import op


def _index(axis: int, start: int | None, stop: int | None = None) -> tuple:
    """The key of a range along one axis."""
    return (*(slice(None),) * axis, slice(start, stop))


@op("Reshape", inputs="x")
def reshape(x, newshape) -> Tensor:
    """Gives a tensor another shape; the elements stay in order.

    Args:
        x: Input tensor.
        newshape: Tuple of ints; one of them may be -1 and follows from the rest.

    Returns:
        A tensor of that shape.

    Raises:
        ValueError: If the number of elements differs.

    Example:

    >>> addax.ops.reshape([1, 2, 3, 4], (2, -1)).tolist()
    [[1, 2], [3, 4]]
    """
    return apply("reshape", as_tensor(x), shape=dims_of(newshape, "reshape"))


@op("Ravel")
def ravel(x) -> Tensor:
    """Flattens a tensor to rank 1.

    Args:
        x: Input tensor.

    Returns:
        A tensor of rank 1.

    Example:

    >>> addax.ops.ravel([[1, 2], [3, 4]]).tolist()
    [1, 2, 3, 4]
    """
    x = as_tensor(x)
    return apply("reshape", x, shape=(x.size,))


@op("Transpose")
def transpose(x, axes=None) -> Tensor:
    """Permutes the axes.

    Args:
        x: Input tensor.
        axes: The axes in their new order; `None`: reversed.

    Returns:
        The permuted tensor.

    Example:

    >>> addax.ops.transpose([[1, 2], [3, 4]]).tolist()
    [[1, 3], [2, 4]]
    """
    x = as_tensor(x)
    if axes is None:
        return apply("transpose", x)
    order = axes_of(tuple(axes), x.ndim, "transpose")
    if len(order) != x.ndim:
        raise ValueError(f"transpose: axes {tuple(axes)} must name each of the {x.ndim} axes once")
    return apply("transpose", x, axes=order)


@op("Swapaxes", inputs="x")
def swapaxes(x, axis1, axis2) -> Tensor:
    """Swaps two axes.

    Args:
        x: Input tensor.
        axis1: One axis.
        axis2: The other.

    Returns:
        The permuted tensor.

    Example:

    >>> addax.ops.swapaxes([[1, 2], [3, 4]], 0, 1).tolist()
    [[1, 3], [2, 4]]
    """
    x = as_tensor(x)
    a, b = axis_of(axis1, x.ndim, "swapaxes"), axis_of(axis2, x.ndim, "swapaxes")
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return apply("transpose", x, axes=tuple(order))


@op("Moveaxis", inputs="x")
def moveaxis(x, source, destination) -> Tensor:
    """Moves axes to other places; the rest keep their order.

    Args:
        x: Input tensor.
        source: Axis or axes to move.
        destination: Where each of them goes.

    Returns:
        The permuted tensor.

    Raises:
        ValueError: If there are not as many destinations as sources.

    Example:

    >>> addax.ops.moveaxis(addax.ops.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = as_tensor(x)
    source, destination = axes_of(source, x.ndim, "moveaxis"), axes_of(destination, x.ndim, "moveaxis")
    if len(source) != len(destination):
        raise ValueError(f"moveaxis: {len(source)} source axes and {len(destination)} destinations")
    order = [a for a in range(x.ndim) if a not in source]
    for to, a in sorted(zip(destination, source, strict=True)):
        order.insert(to, a)
    return apply("transpose", x, axes=tuple(order))


@op("ExpandDims", inputs="x")
def expand_dims(x, axis) -> Tensor:
    """Inserts axes of size 1.

    Args:
        x: Input tensor.
        axis: Where the new axes stand in the result.

    Returns:
        A tensor of higher rank.

    Example:

    >>> addax.ops.expand_dims([1, 2], -1).shape
    (2, 1)
    """
    x = as_tensor(x)
    n = len(axis) if isinstance(axis, (tuple, list)) else 1
    new = axes_of(axis, x.ndim + n, "expand_dims")
    sizes = iter(x.shape)
    return apply("reshape", x, shape=tuple([1 if i in new else next(sizes) for i in range(x.ndim + n)]))


@op("Squeeze")
def squeeze(x, axis=None) -> Tensor:
    """Drops axes of size 1.

    Args:
        x: Input tensor.
        axis: The axes to drop; `None`: all of size 1.

    Returns:
        A tensor of lower rank.

    Raises:
        ValueError: If one of the axes has another size.

    Example:

    >>> addax.ops.squeeze([[1, 2]]).shape
    (2,)
    """
    x = as_tensor(x)
    if axis is None:
        return apply("reshape", x, shape=tuple([d for d in x.shape if d != 1]))
    axes = axes_of(axis, x.ndim, "squeeze")
    for a in axes:
        if x.shape[a] != 1:
            raise ValueError(f"squeeze: axis {a} of shape {x.shape} has size {x.shape[a]}, expected 1")
    return apply("reshape", x, shape=tuple([d for i, d in enumerate(x.shape) if i not in axes]))


@op("BroadcastTo", inputs="x")
def broadcast_to(x, shape) -> Tensor:
    """Repeats a tensor along axes of size 1 or new leading axes, as NumPy does.

    Args:
        x: Input tensor.
        shape: The shape to fill.

    Returns:
        A tensor of that shape.

    Example:

    >>> addax.ops.broadcast_to([1, 2], (2, 2)).tolist()
    [[1, 2], [1, 2]]
    """
    return apply("broadcast_to", as_tensor(x), shape=dims_of(shape, "broadcast_to"))


@op("Flip")
def flip(x, axis=None) -> Tensor:
    """Reverses the order along axes.

    Args:
        x: Input tensor.
        axis: Axis or axes; `None`: all.

    Returns:
        The reversed tensor.

    Example:

    >>> addax.ops.flip([1, 2, 3]).tolist()
    [3, 2, 1]
    """
    x = as_tensor(x)
    axes = axes_of(axis, x.ndim, "flip")
    return apply("flip", x, axes=axes) if axes else x


@op("Fliplr")
def fliplr(x) -> Tensor:
    """Reverses the second axis.

    Args:
        x: Input tensor of rank 2 or more.

    Returns:
        The reversed tensor.

    Example:

    >>> addax.ops.fliplr([[1, 2]]).tolist()
    [[2, 1]]
    """
    return flip.__wrapped__(x, 1)


@op("Flipud")
def flipud(x) -> Tensor:
    """Reverses the first axis.

    Args:
        x: Input tensor of rank 1 or more.

    Returns:
        The reversed tensor.

    Example:

    >>> addax.ops.flipud([[1], [2]]).tolist()
    [[2], [1]]
    """
    return flip.__wrapped__(x, 0)


@op("Rot90")
def rot90(array, k=1, axes=(0, 1)) -> Tensor:
    """Turns a tensor by quarters in the plane of two axes, from the first towards the second.

    Args:
        array: Input tensor of rank 2 or more.
        k: How many quarters.
        axes: The two axes.

    Returns:
        The turned tensor.

    Raises:
        ValueError: If there are not two different axes.

    Example:

    >>> addax.ops.rot90([[1, 2], [3, 4]]).tolist()
    [[2, 4], [1, 3]]
    """
    x = as_tensor(array)
    if len(axes) != 2:
        raise ValueError(f"rot90: expected two axes. Received: axes={axes}")
    a, b = axes_of(tuple(axes), x.ndim, "rot90")
    k %= 4
    if k == 0:
        return x
    if k == 2:
        return apply("flip", x, axes=(a, b))
    if k == 1:
        return swapaxes.__wrapped__(apply("flip", x, axes=(b,)), a, b)
    return apply("flip", swapaxes.__wrapped__(x, a, b), axes=(b,))


@op("Roll", inputs="x")
def roll(x, shift, axis=None) -> Tensor:
    """Moves elements along axes; what leaves at the end enters at the start.

    Args:
        x: Input tensor.
        shift: By how many places; a tuple for several axes.
        axis: Axis or axes; `None`: the flattened tensor.

    Returns:
        A tensor of the same shape.

    Example:

    >>> addax.ops.roll([1, 2, 3], 1).tolist()
    [3, 1, 2]
    """
    x = as_tensor(x)
    if axis is None:
        return apply("reshape", roll.__wrapped__(apply("reshape", x, shape=(x.size,)), shift, 0), shape=x.shape)
    axes = [axis_of(a, x.ndim, "roll") for a in (axis if isinstance(axis, (tuple, list)) else (axis,))]
    shifts = list(shift) if isinstance(shift, (tuple, list)) else [shift] * len(axes)
    if len(axes) == 1:
        axes *= len(shifts)
    for n, a in zip(shifts, axes, strict=True):
        size = x.shape[a]
        cut = (-n) % size if size else 0
        if cut:
            x = apply("concatenate", x[_index(a, cut)], x[_index(a, None, cut)], axis=a)
    return x


@op("Tile", inputs="x")
def tile(x, repeats) -> Tensor:
    """Repeats a whole tensor along axes.

    Args:
        x: Input tensor.
        repeats: How often along each axis, the last ones if there are fewer than axes.

    Returns:
        The larger tensor.

    Example:

    >>> addax.ops.tile([1, 2], 2).tolist()
    [1, 2, 1, 2]
    """
    x = as_tensor(x)
    repeats = dims_of(repeats, "tile")
    ndim = max(x.ndim, len(repeats))
    shape = (1,) * (ndim - x.ndim) + x.shape
    repeats = (1,) * (ndim - len(repeats)) + repeats
    # Each dim becomes a pair (repeat, size), broadcast, and is merged again.
    apart = [d for size in shape for d in (1, size)]
    wide = [d for pair in zip(repeats, shape, strict=True) for d in pair]
    x = apply("broadcast_to", apply("reshape", x, shape=tuple(apart)), shape=tuple(wide))
    return apply("reshape", x, shape=tuple([n * d for n, d in zip(repeats, shape, strict=True)]))


@op("Repeat", inputs="x")
def repeat(x, repeats, axis=None) -> Tensor:
    """Repeats each element along an axis.

    Args:
        x: Input tensor.
        repeats: How often each, one number or one for each position along the axis.
        axis: The axis; `None`: the flattened tensor.

    Returns:
        The larger tensor.

    Raises:
        ValueError: If there are neither one nor as many numbers as positions.

    Example:

    >>> addax.ops.repeat([1, 2], 2).tolist()
    [1, 1, 2, 2]
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = apply("reshape", x, shape=(x.size,)), 0
    axis = axis_of(axis, x.ndim, "repeat")
    counts = np.asarray(repeats.numpy() if isinstance(repeats, Tensor) else repeats)
    size = x.shape[axis]
    if counts.size == 1:
        n = int(counts.reshape(()))
        shape, before, after = x.shape, x.shape[: axis + 1], x.shape[axis + 1 :]
        x = apply("reshape", x, shape=(*before, 1, *after))
        x = apply("broadcast_to", x, shape=(*before, n, *after))
        return apply("reshape", x, shape=(*shape[:axis], size * n, *after))
    if counts.shape != (size,):
        raise ValueError(
            f"repeat: expected one number of repeats, or {size}, one for each position along axis {axis}. "
            f"Received: repeats of shape {counts.shape}"
        )
    return apply("take", x, as_tensor(np.repeat(np.arange(size, dtype="int32"), counts)), axis=axis)


_PAD_MODES = ("constant", "reflect", "symmetric", "edge", "wrap")


@op("Pad", inputs="x constant_values")
def pad(x, pad_width, mode="constant", constant_values=None) -> Tensor:
    """Adds a margin.

    Args:
        x: Input tensor.
        pad_width: A pair `(before, after)` for each axis, or one pair or number for all.
        mode: `"constant"`, `"reflect"` (mirrored without the edge), `"symmetric"` (with it), `"edge"` (the edge
            repeated) or `"wrap"` (what stands at the other end).
        constant_values: The number to fill with in mode `"constant"`, 0 if not given.

    Returns:
        The larger tensor, in the same dtype.

    Raises:
        ValueError: If the mode is not one of these, or `constant_values` is given to another than `"constant"`.

    Example:

    >>> addax.ops.pad([1, 2], (1, 2)).tolist()
    [0, 1, 2, 0, 0]
    """
    x = as_tensor(x)
    if mode not in _PAD_MODES:
        raise ValueError(f"pad: expected mode {', '.join(map(repr, _PAD_MODES))}. Received: mode={mode!r}")
    if mode != "constant" and constant_values is not None:
        raise ValueError(f"pad: `constant_values` goes with mode 'constant' only. Received: mode={mode!r}")
    low, high = _pad_widths(pad_width, x.ndim)
    if mode == "wrap":
        for axis, (before, after) in enumerate(zip(low, high, strict=True)):
            position = np.arange(-before, x.shape[axis] + after) % max(x.shape[axis], 1)
            x = apply("take", x, as_tensor(position.astype("int32")), axis=axis)
        return x
    if constant_values is None or isinstance(constant_values, (bool, int, float)):
        return apply("pad", x, low=low, high=high, mode=mode, value=float(constant_values or 0))
    # A tensor as filling: pad with zeros, then fill where nothing was.
    inside = apply("pad", apply("broadcast_to", as_tensor(True), shape=x.shape), low=low, high=high)
    return apply("where", inside, apply("pad", x, low=low, high=high), as_tensor(constant_values, x.dtype))


def _pad_widths(pad_width: Any, ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    widths = np.asarray(pad_width.numpy() if isinstance(pad_width, Tensor) else pad_width)
    try:
        widths = np.broadcast_to(widths, (ndim, 2))
    except ValueError:
        raise ValueError(
            f"pad: expected a pair (before, after) for each of the {ndim} axes. Received: pad_width={pad_width}"
        ) from None
    if (widths < 0).any():
        raise ValueError(f"pad: widths must not be negative. Received: pad_width={pad_width}")
    return tuple(widths[:, 0].tolist()), tuple(widths[:, 1].tolist())


@op("Diff")
def diff(a, n=1, axis=-1) -> Tensor:
    """The differences of neighbours along an axis.

    Args:
        a: Input tensor.
        n: How often to take differences.
        axis: The axis, shorter by `n` in the result.

    Returns:
        The differences; for bool, whether neighbours differ.

    Example:

    >>> addax.ops.diff([1, 4, 9]).tolist()
    [3, 5]
    """
    a = as_tensor(a)
    axis = axis_of(axis, a.ndim, "diff")
    name = "not_equal" if a.dtype == "bool" else "subtract"
    for _ in range(n):
        a = apply(name, a[_index(axis, 1)], a[_index(axis, None, -1)])
    return a

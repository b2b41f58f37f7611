"""Ops that move elements: reshape, transpose, join, split, repeat, pad, roll, triangles and diagonals."""

from __future__ import annotations

from typing import Any

from addax import config
from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, axes_of, axis_of, dims_of, same_dtype, scalar_like
from addax.ops.creation import eye, triangle, zeros
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


@op("Concatenate")
def concatenate(xs, axis=0) -> Tensor:
    """Joins tensors along an axis.

    Args:
        xs: A list of tensors that differ along `axis` only.
        axis: The axis; `None`: the tensors are flattened.

    Returns:
        The joined tensor, in the promoted dtype.

    Example:

    >>> addax.ops.concatenate([[1, 2], [3]]).tolist()
    [1, 2, 3]
    """
    xs = same_dtype(*_list(xs, "concatenate"))
    if axis is None:
        xs, axis = [apply("reshape", x, shape=(x.size,)) for x in xs], 0
    return apply("concatenate", *xs, axis=axis_of(axis, xs[0].ndim, "concatenate"))


def _list(xs: Any, name: str) -> list[Tensor]:
    """The tensors of a list, or the slices of a tensor along its first axis."""
    if not isinstance(xs, (list, tuple)):
        xs = unstack.__wrapped__(xs)
    if not xs:
        raise ValueError(f"{name}: expected at least one tensor, got none")
    return [as_tensor(x) for x in xs]


@op("Stack")
def stack(x, axis=0) -> Tensor:
    """Joins tensors of one shape along a new axis.

    Args:
        x: A list of tensors.
        axis: Where the new axis stands.

    Returns:
        A tensor of a rank higher by one, in the promoted dtype.

    Raises:
        ValueError: If the shapes differ.

    Example:

    >>> addax.ops.stack([[1, 2], [3, 4]], axis=1).tolist()
    [[1, 3], [2, 4]]
    """
    xs = same_dtype(*_list(x, "stack"))
    for other in xs[1:]:
        if other.shape != xs[0].shape:
            raise ValueError(f"stack: all tensors must have one shape, got {[x.shape for x in xs]}")
    axis = axis_of(axis, xs[0].ndim + 1, "stack")
    shape = (*xs[0].shape[:axis], 1, *xs[0].shape[axis:])
    return apply("concatenate", *[apply("reshape", x, shape=shape) for x in xs], axis=axis)


@op("core.Unstack")
def unstack(x, num=None, axis=0) -> list[Tensor]:
    """Splits a tensor into its slices along an axis.

    Args:
        x: Input tensor.
        num: How many there are; not needed, the shape tells.
        axis: The axis, absent in the slices.

    Returns:
        A list of tensors.

    Raises:
        ValueError: If `num` is not the size along the axis.

    Example:

    >>> [t.tolist() for t in addax.ops.unstack([[1, 2], [3, 4]])]
    [[1, 2], [3, 4]]
    """
    x = as_tensor(x)
    axis = axis_of(axis, x.ndim, "unstack")
    if num is not None and num != x.shape[axis]:
        raise ValueError(f"unstack: num={num}, but axis {axis} of shape {x.shape} has size {x.shape[axis]}")
    before = (slice(None),) * axis
    return [x[(*before, i)] for i in range(x.shape[axis])]


@op("Append")
def append(x1, x2, axis=None) -> Tensor:
    """Joins two tensors.

    Args:
        x1: The first.
        x2: The second.
        axis: The axis; `None`: both are flattened.

    Returns:
        The joined tensor, in the promoted dtype.

    Example:

    >>> addax.ops.append([1, 2], [3]).tolist()
    [1, 2, 3]
    """
    return concatenate.__wrapped__([x1, x2], axis)


def _at_least(x: Any, ndim: int) -> Tensor:
    x = as_tensor(x)
    if x.ndim >= ndim:
        return x
    if ndim == 3:
        rows, columns = (1, x.size) if x.ndim < 2 else x.shape
        return apply("reshape", x, shape=(rows, columns, 1))
    return apply("reshape", x, shape=(1,) * (ndim - x.ndim) + x.shape)


@op("Hstack")
def hstack(xs) -> Tensor:
    """Joins tensors along the second axis, vectors along their only one.

    Args:
        xs: A list of tensors.

    Returns:
        The joined tensor, in the promoted dtype.

    Example:

    >>> addax.ops.hstack([[1, 2], [3]]).tolist()
    [1, 2, 3]
    """
    xs = [_at_least(x, 1) for x in _list(xs, "hstack")]
    return concatenate.__wrapped__(xs, 0 if xs[0].ndim == 1 else 1)


@op("Vstack")
def vstack(xs) -> Tensor:
    """Joins tensors along the first axis, vectors as rows.

    Args:
        xs: A list of tensors.

    Returns:
        The joined tensor, in the promoted dtype.

    Example:

    >>> addax.ops.vstack([[1, 2], [3, 4]]).tolist()
    [[1, 2], [3, 4]]
    """
    return concatenate.__wrapped__([_at_least(x, 2) for x in _list(xs, "vstack")], 0)


@op("Dstack")
def dstack(xs) -> Tensor:
    """Joins tensors along the third axis; a vector of n counts as (1, n, 1), a matrix of m by n as (m, n, 1).

    Args:
        xs: A list of tensors.

    Returns:
        The joined tensor, in the promoted dtype.

    Example:

    >>> addax.ops.dstack([[1, 2], [3, 4]]).tolist()
    [[[1, 3], [2, 4]]]
    """
    return concatenate.__wrapped__([_at_least(x, 3) for x in _list(xs, "dstack")], 2)


@op("Split", inputs="x")
def split(x, indices_or_sections, axis=0) -> list[Tensor]:
    """Cuts a tensor into pieces along an axis.

    Args:
        x: Input tensor.
        indices_or_sections: How many equal pieces, or a list of the positions to cut at.
        axis: The axis.

    Returns:
        A list of tensors.

    Raises:
        ValueError: If the size is not divisible by the number of pieces.

    Example:

    >>> [t.tolist() for t in addax.ops.split([1, 2, 3, 4], 2)]
    [[1, 2], [3, 4]]
    """
    x = as_tensor(x)
    axis = axis_of(axis, x.ndim, "split")
    size = x.shape[axis]
    if isinstance(indices_or_sections, int):
        n = indices_or_sections
        if n < 1 or size % n:
            raise ValueError(
                f"split: axis {axis} of shape {x.shape} cannot be cut into {n} equal pieces; use array_split, or give "
                "the positions to cut at"
            )
        cuts = [i * (size // n) for i in range(1, n)]
    else:
        cuts = [int(i) for i in indices_or_sections]
    return _cut(x, cuts, axis)


def _cut(x: Tensor, cuts: list[int], axis: int) -> list[Tensor]:
    return [x[_index(axis, a, b)] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]


@op("ArraySplit", inputs="x")
def array_split(x, indices_or_sections, axis=0) -> list[Tensor]:
    """Cuts a tensor into pieces along an axis, the first ones longer by one if the size is not divisible.

    Args:
        x: Input tensor.
        indices_or_sections: How many pieces, or a list of the positions to cut at.
        axis: The axis.

    Returns:
        A list of tensors.

    Example:

    >>> [t.tolist() for t in addax.ops.array_split([1, 2, 3], 2)]
    [[1, 2], [3]]
    """
    x = as_tensor(x)
    axis = axis_of(axis, x.ndim, "array_split")
    if not isinstance(indices_or_sections, int):
        return _cut(x, [int(i) for i in indices_or_sections], axis)
    short, longer = divmod(x.shape[axis], indices_or_sections)
    cuts = [i * short + min(i, longer) for i in range(1, indices_or_sections)]
    return _cut(x, cuts, axis)


@op("Hsplit", inputs="x")
def hsplit(x, indices_or_sections) -> list[Tensor]:
    """Cuts a tensor along the second axis, a vector along its only one.

    Args:
        x: Input tensor.
        indices_or_sections: How many equal pieces, or a list of the positions to cut at.

    Returns:
        A list of tensors.

    Example:

    >>> [t.tolist() for t in addax.ops.hsplit([[1, 2], [3, 4]], 2)]
    [[[1], [3]], [[2], [4]]]
    """
    x = as_tensor(x)
    return split.__wrapped__(x, indices_or_sections, 0 if x.ndim == 1 else 1)


@op("Vsplit", inputs="x")
def vsplit(x, indices_or_sections) -> list[Tensor]:
    """Cuts a tensor along the first axis.

    Args:
        x: Input tensor.
        indices_or_sections: How many equal pieces, or a list of the positions to cut at.

    Returns:
        A list of tensors.

    Example:

    >>> [t.tolist() for t in addax.ops.vsplit([[1, 2], [3, 4]], 2)]
    [[[1, 2]], [[3, 4]]]
    """
    return split.__wrapped__(x, indices_or_sections, 0)


@op("Dsplit", inputs="x")
def dsplit(x, indices_or_sections) -> list[Tensor]:
    """Cuts a tensor along the third axis.

    Args:
        x: Input tensor of rank 3 or more.
        indices_or_sections: How many equal pieces, or a list of the positions to cut at.

    Returns:
        A list of tensors.

    Example:

    >>> [t.tolist() for t in addax.ops.dsplit([[[1, 2]]], 2)]
    [[[[1]]], [[[2]]]]
    """
    return split.__wrapped__(x, indices_or_sections, 2)


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
    import numpy as np

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


_PAD_MODES = ("constant", "reflect", "symmetric", "edge")


@op("Pad", inputs="x constant_values")
def pad(x, pad_width, mode="constant", constant_values=None) -> Tensor:
    """Adds a margin.

    Args:
        x: Input tensor.
        pad_width: A pair `(before, after)` for each axis, or one pair or number for all.
        mode: `"constant"`, `"reflect"` (mirrored without the edge), `"symmetric"` (with it) or `"edge"` (the edge
            repeated).
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
    if constant_values is None or isinstance(constant_values, (bool, int, float)):
        return apply("pad", x, low=low, high=high, mode=mode, value=float(constant_values or 0))
    # A tensor as filling: pad with zeros, then fill where nothing was.
    inside = apply("pad", apply("broadcast_to", as_tensor(True), shape=x.shape), low=low, high=high)
    return apply("where", inside, apply("pad", x, low=low, high=high), as_tensor(constant_values, x.dtype))


def _pad_widths(pad_width: Any, ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    import numpy as np

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


@op("Tril")
def tril(x, k=0) -> Tensor:
    """Keeps the lower triangle of matrices; what is above a diagonal becomes 0.

    Args:
        x: Input tensor of rank 2 or more.
        k: Which diagonal: 0 is the main one, positive ones lie above it.

    Returns:
        A tensor of the same shape and dtype.

    Example:

    >>> addax.ops.tril([[1, 2], [3, 4]]).tolist()
    [[1, 0], [3, 4]]
    """
    x = _matrices(x, "tril")
    return apply("where", triangle(*x.shape[-2:], k), x, scalar_like(0 if x.dtype != "bool" else False, x.dtype))


@op("Triu")
def triu(x, k=0) -> Tensor:
    """Keeps the upper triangle of matrices; what is below a diagonal becomes 0.

    Args:
        x: Input tensor of rank 2 or more.
        k: Which diagonal: 0 is the main one, positive ones lie above it.

    Returns:
        A tensor of the same shape and dtype.

    Example:

    >>> addax.ops.triu([[1, 2], [3, 4]]).tolist()
    [[1, 2], [0, 4]]
    """
    x = _matrices(x, "triu")
    return apply("where", triangle(*x.shape[-2:], k - 1), scalar_like(0 if x.dtype != "bool" else False, x.dtype), x)


def _matrices(x: Any, name: str) -> Tensor:
    x = as_tensor(x)
    if x.ndim < 2:
        raise ValueError(f"{name}: expected a tensor of rank 2 or more, got shape {x.shape}")
    return x


@op("Diagonal")
def diagonal(x, offset=0, axis1=0, axis2=1) -> Tensor:
    """The diagonal of the plane of two axes, as the last axis of the result.

    Args:
        x: Input tensor of rank 2 or more.
        offset: Which diagonal: 0 is the main one, positive ones lie above it.
        axis1: The axis of the rows.
        axis2: The axis of the columns.

    Returns:
        A tensor of a rank lower by one.

    Example:

    >>> addax.ops.diagonal([[1, 2], [3, 4]]).tolist()
    [1, 4]
    """
    x = moveaxis.__wrapped__(_matrices(x, "diagonal"), (axis1, axis2), (-2, -1))
    rows, columns = x.shape[-2:]
    row, column = max(-offset, 0), max(offset, 0)
    n = max(min(rows - row, columns - column), 0)
    batch = x.shape[:-2]
    if n == 0:
        return zeros((*batch, 0), x.dtype)
    # In the flattened matrix the elements of a diagonal stand columns + 1 apart.
    x = apply("reshape", x, shape=(*batch, rows * columns))
    start = row * columns + column
    return x[(..., slice(start, start + (n - 1) * (columns + 1) + 1, columns + 1))]


@op("Trace")
def trace(x, offset=0, axis1=0, axis2=1) -> Tensor:
    """The sum of the diagonal of the plane of two axes.

    Args:
        x: Input tensor of rank 2 or more.
        offset: Which diagonal: 0 is the main one, positive ones lie above it.
        axis1: The axis of the rows.
        axis2: The axis of the columns.

    Returns:
        A tensor of a rank lower by two; bool and narrow integers sum in 32 bits.

    Example:

    >>> addax.ops.trace([[1, 2], [3, 4]]).item()
    5
    """
    return apply("sum", diagonal.__wrapped__(x, offset, axis1, axis2), axes=(-1,))


@op("Diag")
def diag(x, k=0) -> Tensor:
    """The diagonal of a matrix, or a matrix with a vector on its diagonal.

    Args:
        x: A matrix or a vector.
        k: Which diagonal: 0 is the main one, positive ones lie above it.

    Returns:
        A vector or a matrix.

    Raises:
        ValueError: If `x` is neither.

    Example:

    >>> addax.ops.diag([1, 2]).tolist()
    [[1, 0], [0, 2]]
    """
    x = as_tensor(x)
    if x.ndim == 2:
        return diagonal.__wrapped__(x, k)
    if x.ndim != 1:
        raise ValueError(f"diag: expected a vector or a matrix, got shape {x.shape}")
    n = x.shape[0]
    on_diagonal = eye(n, dtype="bool")
    square = apply("where", on_diagonal, x, scalar_like(False if x.dtype == "bool" else 0, x.dtype))
    return apply("pad", square, low=(max(-k, 0), max(k, 0)), high=(max(k, 0), max(-k, 0)))


@op("Diagflat")
def diagflat(x, k=0) -> Tensor:
    """A matrix with the elements of a tensor on its diagonal.

    Args:
        x: Input tensor; it is flattened.
        k: Which diagonal: 0 is the main one, positive ones lie above it.

    Returns:
        A matrix.

    Example:

    >>> addax.ops.diagflat([[1], [2]]).tolist()
    [[1, 0], [0, 2]]
    """
    return diag.__wrapped__(ravel.__wrapped__(x), k)


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


@op("nn.DepthToSpace")
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


@op("nn.SpaceToDepth")
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

"""Joining tensors and cutting them into pieces. Part of the movement family."""

from __future__ import annotations

from typing import Any

from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, axis_of, same_dtype
from addax.ops.operation import op


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
    return [x[(*(slice(None),) * axis, slice(a, b))] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]


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
